/** The names that a graph uses, its subgraphs' included: what a new name must keep clear of. */
import { subgraphs } from '../onnx/attributes.js';
import type { Graph, ValueType } from '../onnx/ir.js';

export interface GraphNames {
  /** Inputs, outputs, initializers and whatever a node reads or writes. */
  readonly values: ReadonlySet<string>;
  readonly nodes: ReadonlySet<string>;
  /** Symbolic dimensions. */
  readonly dimensions: ReadonlySet<string>;
}

/** In the order in which the graph holds them; '' is no name. */
export function namesOf(graph: Graph): GraphNames {
  const values = new Set<string>();
  const nodes = new Set<string>();
  const dimensions = new Set<string>();
  const visit = (inner: Graph): void => {
    for (const { name, type } of [...inner.inputs, ...inner.outputs, ...inner.valueInfo.values()]) {
      values.add(name);
      if (type) for (const symbol of symbolsOf(type)) dimensions.add(symbol);
    }
    for (const name of inner.initializers.keys()) values.add(name);
    for (const sparse of inner.sparseInitializers) values.add(sparse.values.name);
    for (const node of inner.nodes) {
      nodes.add(node.name);
      for (const name of node.inputs) values.add(name);
      for (const name of node.outputs) values.add(name);
      for (const body of subgraphs(node)) visit(body);
    }
  };
  visit(graph);
  values.delete('');
  nodes.delete('');
  return { values, nodes, dimensions };
}

/** The symbolic dimensions of a type, outermost first. */
function symbolsOf(type: ValueType): string[] {
  switch (type.kind) {
    case 'tensor':
    case 'sparseTensor':
      return (type.shape ?? []).filter((dim) => typeof dim === 'string');
    case 'sequence':
    case 'optional':
      return symbolsOf(type.element);
    case 'map':
      return symbolsOf(type.value);
    case 'opaque':
    case 'unknown':
      return [];
  }
}
