/** One renaming, applied everywhere that a graph and its subgraphs mention a name. */
import type {
  Attribute,
  Dimension,
  Graph,
  Initializer,
  Node,
  SparseInitializer,
  ValueInfo,
  ValueType,
} from '../onnx/ir.js';

export interface Renaming {
  value(name: string): string;
  node(name: string): string;
  /** May put a number, or another symbol, in a symbol's place. */
  dimension(symbol: string): Dimension;
  /** The operator that a node is of: for functions, whose names may change too. */
  operator(node: Node): Pick<Node, 'domain' | 'opType' | 'overload'>;
}

export const keepNames: Renaming = {
  value: (name) => name,
  node: (name) => name,
  dimension: (symbol) => symbol,
  operator: ({ domain, opType, overload }) => ({ domain, opType, overload }),
};

/**
 * The graph under new names; weights are shared. `renaming.value` must tell apart what was apart: then subgraphs read
 * the same outer values as before. '' (an absent input or output) is never asked for.
 */
export function renameGraph(graph: Graph, renaming: Renaming): Graph {
  const value = (name: string): string => (name === '' ? '' : renaming.value(name));
  const info = (row: ValueInfo): ValueInfo => ({
    ...row,
    name: value(row.name),
    ...(row.type && { type: renameDimensions(row.type, renaming.dimension) }),
  });
  const initializer = (row: Initializer): Initializer => ({ ...row, name: value(row.name) });
  const sparse = (row: SparseInitializer): SparseInitializer => ({ ...row, values: initializer(row.values) });
  return {
    ...graph,
    nodes: graph.nodes.map((node) => renameNode(node, renaming)),
    inputs: graph.inputs.map(info),
    outputs: graph.outputs.map(info),
    initializers: new Map([...graph.initializers].map(([name, row]) => [value(name), initializer(row)])),
    sparseInitializers: graph.sparseInitializers.map(sparse),
    valueInfo: new Map([...graph.valueInfo].map(([name, row]) => [value(name), info(row)])),
    quantization: graph.quantization.map(({ tensorName, parameters }) => ({
      tensorName: value(tensorName),
      // Its parameters are names of scale and zero-point tensors.
      parameters: new Map([...parameters].map(([key, tensor]) => [key, value(tensor)])),
    })),
  };
}

export function renameNode(node: Node, renaming: Renaming): Node {
  const value = (name: string): string => (name === '' ? '' : renaming.value(name));
  return {
    ...node,
    ...renaming.operator(node),
    name: node.name === '' ? '' : renaming.node(node.name),
    inputs: node.inputs.map(value),
    outputs: node.outputs.map(value),
    attributes: mapSubgraphs(node.attributes, (body) => renameGraph(body, renaming)),
  };
}

/** The attributes with every nested graph changed. */
export function mapSubgraphs(
  attributes: ReadonlyMap<string, Attribute>,
  change: (body: Graph) => Graph,
): ReadonlyMap<string, Attribute> {
  let changed: Map<string, Attribute> | undefined;
  for (const [name, attribute] of attributes) {
    if (attribute.kind !== 'graph' && attribute.kind !== 'graphs') continue;
    changed ??= new Map(attributes);
    if (attribute.kind === 'graph') changed.set(name, { ...attribute, value: change(attribute.value) });
    else changed.set(name, { ...attribute, value: attribute.value.map(change) });
  }
  return changed ?? attributes;
}

/** The type with its symbolic dimensions changed. */
export function renameDimensions(type: ValueType, change: (symbol: string) => Dimension): ValueType {
  switch (type.kind) {
    case 'tensor':
    case 'sparseTensor':
      if (!type.shape) return type;
      return { ...type, shape: type.shape.map((dim) => (typeof dim === 'string' ? change(dim) : dim)) };
    case 'sequence':
    case 'optional':
      return { ...type, element: renameDimensions(type.element, change) };
    case 'map':
      return { ...type, value: renameDimensions(type.value, change) };
    case 'opaque':
    case 'unknown':
      return type;
  }
}
