import { indexGraph, valuesRead } from '../onnx/graph-index.js';
import type { Graph } from '../onnx/ir.js';

/**
 * The values whose sizes `value` is made of, where nothing else that the graph is fed counts in it, as in the shape that a
 * Reshape or an Expand is told; undefined otherwise.
 */
export function sizeSources(graph: Graph, value: string): ReadonlySet<string> | undefined {
  const { producer } = indexGraph(graph);
  const fed = new Set(graph.inputs.map(({ name }) => name).filter((name) => !graph.initializers.has(name)));
  const sources = new Set<string>();
  const seen = new Set<string>();
  const isOfSizes = (name: string): boolean => {
    if (seen.has(name)) return true;
    seen.add(name);
    const node = producer(name);
    if (!node) return !fed.has(name);
    if (node.opType !== 'Shape' && node.opType !== 'Size') return [...valuesRead(node)].every(isOfSizes);
    sources.add(node.inputs[0]!);
    return true;
  };
  return isOfSizes(value) && sources.size > 0 ? sources : undefined;
}
