/**
 * A tape on which graphs are written: each call appends a node and returns the name of its output.
 *
 * @example
 * const b = new GraphBuilder({ opset: 17 });
 * const x = b.input('x', 'float32', ['batch', 4]);
 * b.output(b.op('Relu', [x]), 'float32', ['batch', 4], 'y');
 * const model = b.model();
 */
import type { DType } from '../tensor/dtype.js';
import { float32, int64, type Tensor } from '../tensor/tensor.js';
import { type AttributeInput, toAttribute } from './attributes.js';
import { toInitializer } from './initializer.js';
import * as ir from './ir.js';

export interface OpOptions {
  /** Name of the node, and of its first output unless `outputs` says otherwise. */
  readonly name?: string;
  readonly domain?: string;
  readonly attributes?: Readonly<Record<string, AttributeInput>>;
}

export interface GraphBuilderOptions {
  readonly opset?: number;
  /** Names that must not be given out again: those of a graph that this one extends. */
  readonly taken?: Iterable<string>;
}

export class GraphBuilder {
  readonly opset: number;
  readonly nodes: ir.Node[] = [];
  readonly inputs: ir.ValueInfo[] = [];
  readonly outputs: ir.ValueInfo[] = [];
  readonly initializers = new Map<string, ir.Initializer>();
  readonly #taken: Set<string>;
  readonly #nextSuffix = new Map<string, number>();
  readonly #scalars = new Map<string, string>();

  constructor({ opset = 17, taken = [] }: GraphBuilderOptions = {}) {
    this.opset = opset;
    this.#taken = new Set(taken);
  }

  /** `wanted`, or `wanted_1`, `wanted_2`, … where it is taken. */
  freshName(wanted: string): string {
    let name = wanted;
    let suffix = this.#nextSuffix.get(wanted) ?? 0;
    while (name === '' || this.#taken.has(name)) name = `${wanted}_${++suffix}`;
    this.#nextSuffix.set(wanted, suffix);
    this.#taken.add(name);
    return name;
  }

  input(name: string, dtype: DType, shape?: readonly ir.Dimension[]): string {
    const fresh = this.freshName(name);
    this.inputs.push(ir.tensorValue(fresh, dtype, shape));
    return fresh;
  }

  /** A weight or other constant, stored once under `name`. */
  constant(name: string, tensor: Tensor): string {
    const fresh = this.freshName(name);
    this.initializers.set(fresh, toInitializer(fresh, tensor));
    return fresh;
  }

  /** An initializer of another graph, of any element type and wherever its bytes are, under its name or a fresh one. */
  initializer(initializer: ir.Initializer): string {
    const fresh = this.freshName(initializer.name);
    this.initializers.set(fresh, { ...initializer, name: fresh });
    return fresh;
  }

  /** A float32 scalar; equal scalars are stored once. */
  scalar(value: number): string {
    return this.shared(`const/${value}`, float32([], [value]));
  }

  /** A 1-D int64 constant (axes, shapes, pads); equal lists are stored once. */
  ints(values: readonly number[]): string {
    return this.shared(`const/ints/${values.join('_')}`, int64([values.length], values));
  }

  /** A constant that is stored once for all calls with the same `key`, which is also its name. */
  shared(key: string, tensor: Tensor): string {
    let name = this.#scalars.get(key);
    if (name === undefined) {
      name = this.constant(key, tensor);
      this.#scalars.set(key, name);
    }
    return name;
  }

  /** Appends a node with one output and returns that output's name. */
  op(opType: string, inputs: readonly string[], options: OpOptions = {}): string {
    return this.ops(opType, inputs, 1, options)[0]!;
  }

  /** Appends a node with `outputCount` outputs and returns their names. */
  ops(opType: string, inputs: readonly string[], outputCount: number, options: OpOptions = {}): string[] {
    const { name = opType, domain = '', attributes = {} } = options;
    const outputs: string[] = [];
    for (let i = 0; i < outputCount; i++) outputs.push(this.freshName(i === 0 ? name : `${name}:${i}`));
    this.nodes.push(
      ir.node({
        opType,
        domain,
        name: outputs[0]!,
        inputs,
        outputs,
        attributes: new Map(Object.entries(attributes).map(([key, value]) => [key, toAttribute(value)])),
      }),
    );
    return outputs;
  }

  /** Other nodes in place of those appended so far; more than a call takes as arguments, and so not by `splice`. */
  replaceNodes(nodes: readonly ir.Node[]): void {
    this.nodes.length = 0;
    for (const row of nodes) this.nodes.push(row);
  }

  /** Declares a value as an output; with `name` it is renamed through an Identity. */
  output(value: string, dtype: DType, shape?: readonly ir.Dimension[], name?: string): string {
    let shown = value;
    if (name !== undefined && name !== value) {
      shown = this.freshName(name);
      this.nodes.push(ir.node({ opType: 'Identity', name: shown, inputs: [value], outputs: [shown] }));
    }
    this.outputs.push(ir.tensorValue(shown, dtype, shape));
    return shown;
  }

  graph(name = 'graft'): ir.Graph {
    const { nodes, inputs, outputs, initializers } = this;
    return ir.graph({ name, nodes, inputs, outputs, initializers });
  }

  model(fields: Partial<ir.Model> = {}): ir.Model {
    return ir.model({ graph: this.graph(), opsets: new Map([['', this.opset]]), ...fields });
  }
}
