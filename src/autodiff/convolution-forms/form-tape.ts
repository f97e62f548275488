import { type AttributeInput, toAttribute } from '../../onnx/attributes.js';
import type { GraphBuilder } from '../../onnx/graph-builder.js';
import { type Node, node as makeNode } from '../../onnx/ir.js';
import { float32 } from '../../tensor/tensor.js';

/** What stands for one convolution: nodes are appended, and the shapes of their values noted. */
export class FormTape {
  readonly nodes: Node[] = [];
  readonly #node: Node;
  readonly #builder: GraphBuilder;
  readonly #shapes: Map<string, readonly number[]>;
  readonly #matrices: Map<string, string>;

  /**
   * @param shapes - in the probe run; added to
   * @param matrices - names of the constants by their keys; added to
   */
  constructor(
    node: Node,
    builder: GraphBuilder,
    shapes: Map<string, readonly number[]>,
    matrices: Map<string, string>,
  ) {
    this.#matrices = matrices;
    this.#node = node;
    this.#builder = builder;
    this.#shapes = shapes;
  }

  /** The convolution's input, weights and bias. */
  get operands(): readonly [string, string, string?] {
    return this.#node.inputs as [string, string, string?];
  }

  /** @param shape - of the output */
  op(
    opType: string,
    inputs: readonly string[],
    name: string,
    shape: readonly number[],
    attributes: Readonly<Record<string, AttributeInput>> = {},
  ): string {
    const value = this.#builder.freshName(`${this.#node.outputs[0]!}/${name}`);
    const entries = Object.entries(attributes).map(([key, given]) => [key, toAttribute(given)] as const);
    this.nodes.push(
      makeNode({ opType, name: value, inputs, outputs: [value], attributes: new Map(entries) }),
    );
    this.#shapes.set(value, shape);
    return value;
  }

  /** @param free - the axis that depends on the batch */
  reshape(value: string, shape: readonly number[], name: string, free?: number): string {
    const wanted = shape.map((size, axis) => (axis === free ? -1 : size));
    return this.op('Reshape', [value, this.#builder.ints(wanted)], name, shape);
  }

  transpose(value: string, perm: readonly number[], name: string): string {
    const shape = this.#shapes.get(value)!;
    const turned = perm.map((axis) => shape[axis]!);
    return this.op('Transpose', [value], name, turned, { perm });
  }

  /** A product of matrices, or of stacks of as many matrices. */
  product(a: string, b: string, name: string): string {
    const [left, right] = [this.#shapes.get(a)!, this.#shapes.get(b)!];
    return this.op('MatMul', [a, b], name, [...left.slice(0, -1), right.at(-1)!]);
  }

  /** A constant that is made once for all convolutions that ask for `key`. */
  matrix(key: string, make: () => readonly (readonly number[])[]): string {
    const known = this.#matrices.get(key);
    if (known !== undefined) return known;
    const values = make();
    const dims = [values.length, values[0]!.length];
    const name = this.#builder.constant(key, float32(dims, Float32Array.from(values.flat())));
    this.#shapes.set(name, dims);
    this.#matrices.set(key, name);
    return name;
  }

  /** The last nodes: from values [batch, channels, positions] to the convolution's output, with its bias. */
  finish(value: string, [batch, channels, ...size]: readonly number[]): void {
    const { name, outputs } = this.#node;
    const bias = this.operands[2];
    const maps = [batch!, channels!, ...size];
    const last = (opType: string, inputs: readonly string[]) =>
      this.nodes.push(makeNode({ opType, name, inputs, outputs }));
    if (!bias) {
      last('Reshape', [value, this.#builder.ints([-1, channels!, ...size])]);
      return;
    }
    const row = this.reshape(bias, [1, channels!, 1, 1], 'bias');
    last('Add', [this.reshape(value, maps, 'maps', 0), row]);
  }
}
