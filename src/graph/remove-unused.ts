import { indexGraph, valuesRead } from '../onnx/graph-index.js';
import type { Graph, Node } from '../onnx/ir.js';

/** The graph without nodes, weights and type notes that no output needs. Inputs stay: they are the model's interface. */
export function removeUnused(graph: Graph): Graph {
  const index = indexGraph(graph);
  const needed = new Set<string>();
  const kept = new Set<Node>();
  const pending = graph.outputs.map(({ name }) => name);
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (needed.has(name)) continue;
    needed.add(name);
    const producer = index.producer(name);
    if (producer && !kept.has(producer)) {
      kept.add(producer);
      for (const read of valuesRead(producer)) pending.push(read);
    }
  }
  const produced = new Set<string>();
  for (const node of kept) for (const output of node.outputs) produced.add(output);
  return {
    ...graph,
    nodes: graph.nodes.filter((node) => kept.has(node)),
    initializers: new Map([...graph.initializers].filter(([name]) => needed.has(name))),
    sparseInitializers: graph.sparseInitializers.filter(({ values }) => needed.has(values.name)),
    valueInfo: new Map([...graph.valueInfo].filter(([name]) => produced.has(name))),
    quantization: graph.quantization.filter(({ tensorName }) => needed.has(tensorName)),
  };
}
