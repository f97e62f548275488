import { valuesRead } from '../onnx/graph-index.js';
import type { Graph, Node } from '../onnx/ir.js';

/** The nodes that need an input beside `own`: what they give is not made of those inputs alone. */
export function foreignNodes(graph: Graph, own: readonly string[]): Set<Node> {
  const foreign = new Set<string>();
  for (const { name } of graph.inputs) {
    if (!own.includes(name) && !graph.initializers.has(name)) foreign.add(name);
  }
  const nodes = new Set<Node>();
  if (foreign.size === 0) return nodes;
  for (const node of graph.nodes) {
    if (![...valuesRead(node)].some((name) => foreign.has(name))) continue;
    nodes.add(node);
    for (const output of node.outputs) if (output !== '') foreign.add(output);
  }
  return nodes;
}
