import { subgraphs } from '../onnx/attributes.js';
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

export function countParameters(graph: Graph): ParameterCount {
  const { producer } = indexGraph(graph);
  const dims = (name: string): readonly number[] | undefined => graph.initializers.get(name)?.dims;
  const before = (start: string): number => {
    const seen = new Set<string>();
    const nodes = new Set<Node>();
    const pending = [start];
    let sum = 0;
    for (let value = pending.pop(); value !== undefined; value = pending.pop()) {
      if (seen.has(value)) continue;
      seen.add(value);
      const weights = dims(value);
      if (weights) sum += sizeOf(weights);
      const node = producer(value);
      if (!node || nodes.has(node)) continue;
      nodes.add(node);
      sum += parametersInside(node);
      pending.push(...valuesRead(node));
    }
    return sum;
  };
  let total = 0;
  for (const initializer of graph.initializers.values()) total += sizeOf(initializer.dims);
  for (const node of graph.nodes) total += parametersInside(node);
  return { total, before };
}

/** Numbers that a node itself holds: a constant's tensor, the weights of its subgraphs. */
export function parametersInside(node: Node): number {
  const value = node.opType === 'Constant' ? node.attributes.get('value') : undefined;
  if (value?.kind === 'tensor') return isFloat(value.value.dtype) ? sizeOf(value.value.dims) : 0;
  return subgraphs(node).reduce((sum, body) => sum + countParameters(body).total, 0);
}
