/** A tape on which a graph is written anew with integers in it. */
import { type AttributeInput, toAttribute } from '../../onnx/attributes.js';
import { GraphBuilder } from '../../onnx/graph-builder.js';
import { type Graph, type Model, node } from '../../onnx/ir.js';
import { dtypeInfo } from '../../tensor/dtype.js';
import { checked, float32, type Tensor } from '../../tensor/tensor.js';
import { namesOf } from '../names-of.js';
import { removeUnused } from '../remove-unused.js';
import { factsOf, type ValueFacts } from '../value-facts.js';
import { type Channels, type RoundedWeights, roundWeights } from './round-weights.js';

export interface StoredWeights extends RoundedWeights {
  /** Name of the int8 values. */
  readonly stored: string;
}

export class Int8Tape {
  readonly builder: GraphBuilder;
  readonly facts: ValueFacts;
  readonly #graph: Graph;
  readonly #weights = new Map<string, StoredWeights>();

  constructor(graph: Graph, opset: number) {
    const { values, nodes } = namesOf(graph);
    this.#graph = graph;
    this.facts = factsOf(graph);
    this.builder = new GraphBuilder({ opset, taken: [...values, ...nodes] });
  }

  /** Rounded and stored once for all calls with the same key. */
  weights(key: string, weights: Tensor, channels: Channels): StoredWeights {
    const known = this.#weights.get(key);
    if (known) return known;
    const rounded = roundWeights(key, weights, channels);
    const made = { ...rounded, stored: this.builder.constant(`${key}/int8`, rounded.values) };
    this.#weights.set(key, made);
    return made;
  }

  float32(key: string, dims: readonly number[], values: ArrayLike<number>): string {
    return this.builder.shared(key, float32(dims, values));
  }

  /** The number 0, one or several of them. */
  zero(dtype: 'int8' | 'uint8', count?: number): string {
    const dims = count === undefined ? [] : [count];
    const key = ['const', dtype, 'zero', ...dims].join('/');
    return this.builder.shared(key, checked(dtype, dims, new (dtypeInfo(dtype).array)(count ?? 1)));
  }

  toFloat32(value: string, name: string): string {
    const attributes = { to: dtypeInfo('float32').code };
    return this.builder.op('Cast', [value], { name, attributes });
  }

  /** Appends a node that gives a value of the graph as it was. */
  give(
    output: string,
    opType: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, AttributeInput>> = {},
  ): void {
    const named = Object.entries(attributes).map(([key, value]) => [key, toAttribute(value)] as const);
    const name = this.builder.freshName(`${output}/${opType}`);
    this.builder.nodes.push(node({ opType, name, inputs, outputs: [output], attributes: new Map(named) }));
  }

  /** The model with what was written in place of its nodes, without the weights that nothing reads any more. */
  finish(model: Model): Model {
    const { nodes, initializers } = this.builder;
    const graph = {
      ...this.#graph,
      nodes,
      initializers: new Map([...this.#graph.initializers, ...initializers]),
    };
    return { ...model, graph: removeUnused(graph) };
  }
}
