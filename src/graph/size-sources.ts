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
  // A list instead of calls: graphs are as deep as a file says.
  const pending = [value];
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (seen.has(name)) continue;
    seen.add(name);
    const node = producer(name);
    if (!node) {
      if (fed.has(name)) return undefined;
    } else if (node.opType === 'Shape' || node.opType === 'Size') sources.add(node.inputs[0]!);
    else for (const read of valuesRead(node)) pending.push(read);
  }
  return sources.size > 0 ? sources : undefined;
}
