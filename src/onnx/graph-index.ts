/** Who produces a value and who uses it, for one graph. Built once in a linear pass; graphs are readonly. */
import { subgraphs } from './attributes.js';
import type { Graph, Node } from './ir.js';

export interface GraphIndex {
  /** The node whose output the value is; undefined for inputs, initializers and names of an outer graph. */
  producer(value: string): Node | undefined;
  /** The nodes of this graph that read the value, also from within their subgraphs. */
  users(value: string): readonly Node[];
}

export function indexGraph(graph: Graph): GraphIndex {
  const producers = new Map<string, Node>();
  const users = new Map<string, Node[]>();
  for (const node of graph.nodes) {
    for (const output of node.outputs) if (output !== '') producers.set(output, node);
    for (const input of valuesRead(node)) {
      const known = users.get(input);
      if (known) known.push(node);
      else users.set(input, [node]);
    }
  }
  return { producer: (value) => producers.get(value), users: (value) => users.get(value) ?? [] };
}

/** Every value name a node reads: its inputs and what its subgraphs capture from outside themselves. */
export function valuesRead(node: Node): Set<string> {
  const names = new Set(node.inputs);
  names.delete('');
  for (const body of subgraphs(node)) for (const name of capturedValues(body)) names.add(name);
  return names;
}

/** Names that a subgraph uses but does not define: values of the graphs around it. */
export function capturedValues(body: Graph): Set<string> {
  const defined = new Set(body.inputs.map((input) => input.name));
  for (const name of body.initializers.keys()) defined.add(name);
  for (const sparse of body.sparseInitializers) defined.add(sparse.values.name);
  const captured = new Set<string>();
  for (const node of body.nodes) {
    for (const name of valuesRead(node)) if (!defined.has(name)) captured.add(name);
    for (const output of node.outputs) defined.add(output);
  }
  for (const output of body.outputs) if (!defined.has(output.name)) captured.add(output.name);
  return captured;
}
