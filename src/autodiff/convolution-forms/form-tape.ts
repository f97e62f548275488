import { type AttributeInput, toAttribute } from '../../onnx/attributes.js';
import type { GraphBuilder } from '../../onnx/graph-builder.js';
import { type Attribute, type Node, node as makeNode } from '../../onnx/ir.js';
import { float32 } from '../../tensor/tensor.js';

/** What is kept from node to node while a graph is written anew. */
export interface FormState {
  readonly builder: GraphBuilder;
  /** Of all values, in the probe run; added to. */
  readonly shapes: Map<string, readonly number[]>;
  /** Names of the constants by their keys; added to. */
  readonly matrices: Map<string, string>;
  /** Values of examples [batch, …] that lie, also or only, with the batch last, […, batch], by another name. */
  readonly batchLast: Map<string, string>;
  /** Those that lie only so. */
  readonly onlyLast: Set<string>;
}

/** What stands for one node: nodes are appended, and the shapes of their values noted. */
export class FormTape {
  readonly nodes: Node[] = [];
  readonly node: Node;
  readonly #state: FormState;

  constructor(node: Node, state: FormState) {
    this.node = node;
    this.#state = state;
  }

  get opset(): number {
    return this.#state.builder.opset;
  }

  /** Of a value of the graph, or one that was appended, in the probe run. */
  shape(value: string): readonly number[] {
    return this.#state.shapes.get(value)!;
  }

  /** The value by its own name, where the batch is first. */
  batchFirst(value: string): string {
    const { batchLast, onlyLast } = this.#state;
    if (onlyLast.delete(value)) {
      const last = this.shape(value).length - 1;
      const perm = Array.from({ length: last + 1 }, (_, axis) => (axis === 0 ? last : axis - 1));
      this.#append('Transpose', [batchLast.get(value)!], [value], { perm });
    }
    return value;
  }

  hasBatchLast(value: string): boolean {
    return this.#state.batchLast.has(value);
  }

  batchLast(value: string): string {
    const { batchLast } = this.#state;
    const known = batchLast.get(value);
    if (known !== undefined) return known;
    const rank = this.shape(value).length;
    const perm = Array.from({ length: rank }, (_, axis) => (axis + 1) % rank);
    const turned = this.transpose(value, perm, 'batch_last');
    batchLast.set(value, turned);
    return turned;
  }

  /** @param shape - of the output */
  op(
    opType: string,
    inputs: readonly string[],
    name: string,
    shape: readonly number[],
    attributes: Readonly<Record<string, AttributeInput>> = {},
  ): string {
    const value = this.#state.builder.freshName(`${this.node.outputs[0]!}/${name}`);
    this.#append(opType, inputs, [value], attributes);
    this.#state.shapes.set(value, shape);
    return value;
  }

  /** @param free - the axis that depends on the batch */
  reshape(value: string, shape: readonly number[], name: string, free?: number): string {
    const wanted = shape.map((size, axis) => (axis === free ? -1 : size));
    return this.op('Reshape', [value, this.ints(wanted)], name, shape);
  }

  transpose(value: string, perm: readonly number[], name: string): string {
    const shape = this.shape(value);
    const turned = perm.map((axis) => shape[axis]!);
    return this.op('Transpose', [value], name, turned, { perm });
  }

  /** A product of matrices, or of stacks of as many matrices. */
  product(a: string, b: string, name: string): string {
    return this.op('MatMul', [a, b], name, [...this.shape(a).slice(0, -1), this.shape(b).at(-1)!]);
  }

  /** Pieces of these lengths along an axis. */
  split(value: string, axis: number, lengths: readonly number[], name: string): string[] {
    const { builder, shapes } = this.#state;
    const pieces = lengths.map((length) => {
      const piece = builder.freshName(`${this.node.outputs[0]!}/${name}`);
      shapes.set(piece, this.shape(value).with(axis, length));
      return piece;
    });
    if (this.opset < 13) this.#append('Split', [value], pieces, { axis, split: lengths });
    else this.#append('Split', [value, this.ints(lengths)], pieces, { axis });
    return pieces;
  }

  ints(values: readonly number[]): string {
    return this.#state.builder.ints(values);
  }

  scalar(value: number): string {
    return this.#state.builder.scalar(value);
  }

  /** A constant that is made once for all nodes that ask for `key`. */
  matrix(key: string, make: () => readonly (readonly number[])[]): string {
    const { matrices, builder, shapes } = this.#state;
    const known = matrices.get(key);
    if (known !== undefined) return known;
    const values = make();
    const dims = [values.length, values[0]!.length];
    const name = builder.constant(key, float32(dims, Float32Array.from(values.flat())));
    shapes.set(name, dims);
    matrices.set(key, name);
    return name;
  }

  /** The last nodes: from values [batch, channels, positions] to the output of a convolution, with its bias. */
  finish(value: string, [batch, channels, ...size]: readonly number[]): void {
    const bias = this.node.inputs[2];
    const outputs = this.node.outputs;
    if (!bias) {
      this.#append('Reshape', [value, this.ints([-1, channels!, ...size])], outputs);
      return;
    }
    const row = this.reshape(bias, [1, channels!, 1, 1], 'bias');
    this.#append('Add', [this.reshape(value, [batch!, channels!, ...size], 'maps', 0), row], outputs);
  }

  /** The last nodes of values with the batch last: each stands for an output of the node. */
  finishLast(values: readonly string[]): void {
    for (const [i, value] of values.entries()) {
      const output = this.node.outputs[i]!;
      this.#state.batchLast.set(output, value);
      this.#state.onlyLast.add(output);
    }
  }

  /** The node itself with the batch last. @param changed - attributes that say other axes */
  finishAs(inputs: readonly string[], changed: Readonly<Record<string, AttributeInput>> = {}): void {
    const { builder, shapes } = this.#state;
    const outputs = this.node.outputs.map((output) => {
      const value = builder.freshName(`${output}/batch_last`);
      const [batch, ...rest] = this.shape(output);
      shapes.set(value, [...rest, batch!]);
      return value;
    });
    const attributes = new Map<string, Attribute>(this.node.attributes);
    for (const [key, given] of Object.entries(changed)) attributes.set(key, toAttribute(given));
    this.nodes.push({ ...this.node, name: outputs[0]!, inputs, outputs, attributes });
    this.finishLast(outputs);
  }

  #append(
    opType: string,
    inputs: readonly string[],
    outputs: readonly string[],
    attributes: Readonly<Record<string, AttributeInput>> = {},
  ): void {
    const entries = Object.entries(attributes).map(([key, given]) => [key, toAttribute(given)] as const);
    this.nodes.push(makeNode({ opType, name: outputs[0]!, inputs, outputs, attributes: new Map(entries) }));
  }
}
