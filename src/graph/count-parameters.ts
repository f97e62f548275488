import { subgraphs } from '../onnx/attributes.js';
import { constantOfNode } from '../onnx/constant-node.js';
import { indexGraph, valuesRead } from '../onnx/graph-index.js';
import type { Graph, Node } from '../onnx/ir.js';
import { isFloat } from '../tensor/dtype.js';
import { sizeOf } from '../tensor/shape.js';

export interface ParameterCount {
  /** Numbers in all weights: initializers, and floating-point tensors that are constants of the graph. */
  readonly total: number;
  /** Numbers in the weights that a value needs. */
  before(value: string): number;
}

/** What a value needs. */
interface Count {
  readonly start: string | undefined;
  readonly seen: Set<string>;
  readonly nodes: Set<Node>;
  readonly sum: number;
}

const nothingCounted = (): Count => ({ start: undefined, seen: new Set(), nodes: new Set(), sum: 0 });

export function countParameters(graph: Graph): ParameterCount {
  const { producer } = indexGraph(graph);
  const dims = (name: string): readonly number[] | undefined => graph.initializers.get(name)?.dims;
  /** Adds what `start` needs beside what has been seen; `isPast` tells whether it needs the last start. */
  const extend = ({ start: last, seen, nodes, sum: counted }: Count, start: string) => {
    const pending = [start];
    let sum = counted;
    let isPast = false;
    for (let value = pending.pop(); value !== undefined; value = pending.pop()) {
      isPast ||= value === last;
      if (seen.has(value)) continue;
      seen.add(value);
      const weights = dims(value);
      if (weights) sum += sizeOf(weights);
      const node = producer(value);
      if (!node || nodes.has(node)) continue;
      nodes.add(node);
      sum += parametersInside(node);
      for (const input of valuesRead(node)) pending.push(input);
    }
    return { start, seen, nodes, sum, isPast };
  };
  let latest: Count = nothingCounted();
  const before = (start: string): number => {
    // Mostly asked in the order of the graph, of values that need the one before.
    const next = extend(latest, start);
    latest = next.isPast ? next : extend(nothingCounted(), start);
    return latest.sum;
  };
  let total = 0;
  for (const initializer of graph.initializers.values()) total += sizeOf(initializer.dims);
  for (const node of graph.nodes) total += parametersInside(node);
  return { total, before };
}

/** Numbers that a node itself holds: a constant's tensor, the weights of its subgraphs. */
export function parametersInside(node: Node): number {
  const constant = constantOfNode(node);
  if (constant) return isFloat(constant.dtype) ? sizeOf(constant.dims) : 0;
  return subgraphs(node).reduce((sum, body) => sum + countParameters(body).total, 0);
}
