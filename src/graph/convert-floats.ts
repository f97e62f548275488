/** Every floating-point type of a graph in another one: weights, constants, casts and declared types. Nodes and names stay. */
import { toAttribute } from '../onnx/attributes.js';
import { toInitializer, toTensor } from '../onnx/initializer.js';
import type { Attribute, Graph, Initializer, Node, ValueInfo, ValueType } from '../onnx/ir.js';
import { type DType, dtypeInfo } from '../tensor/dtype.js';
import type { Tensor } from '../tensor/tensor.js';

export interface FloatConversion {
  readonly from: readonly DType[];
  readonly to: DType;
  convert(tensor: Tensor): Tensor;
  /** Attributes that name a type to be changed. */
  readonly typeAttributes: ReadonlySet<string>;
  /** Nodes whose attributes, and initializers that, stay as they are. */
  readonly kept?: WeakSet<Node | Initializer>;
}

/** A graph without the types `from` comes back as it is. */
export function convertFloats(graph: Graph, conversion: FloatConversion): Graph {
  const { from, typeAttributes } = conversion;
  return hasDType(graph, from, typeAttributes) ? new Converter(conversion).graph(graph) : graph;
}

/** Whether any input, weight, constant or cast of the graph is of one of these types. */
export function hasDType(
  graph: Graph,
  dtypes: readonly DType[],
  typeAttributes: ReadonlySet<string>,
): boolean {
  const isOne = ({ dtype }: { readonly dtype: DType }): boolean => dtypes.includes(dtype);
  const codes = dtypes.map((dtype) => dtypeInfo(dtype).code);
  const inNode = ({ attributes }: Node): boolean =>
    [...attributes].some(
      ([name, value]) =>
        (value.kind === 'tensor' && isOne(value.value)) ||
        (value.kind === 'graph' && hasDType(value.value, dtypes, typeAttributes)) ||
        (value.kind === 'int' && typeAttributes.has(name) && codes.includes(Number(value.value))),
    );
  return (
    [...graph.initializers.values()].some(isOne) ||
    graph.inputs.some(({ type }) => type?.kind === 'tensor' && isOne(type)) ||
    graph.nodes.some(inNode)
  );
}

class Converter {
  readonly #conversion: FloatConversion;
  readonly #codes: readonly number[];

  constructor(conversion: FloatConversion) {
    this.#conversion = conversion;
    this.#codes = conversion.from.map((dtype) => dtypeInfo(dtype).code);
  }

  graph(graph: Graph): Graph {
    return {
      ...graph,
      nodes: graph.nodes.map((node) => this.#node(node)),
      inputs: graph.inputs.map((value) => this.#value(value)),
      outputs: graph.outputs.map((value) => this.#value(value)),
      initializers: new Map(
        [...graph.initializers].map(([name, value]) => [name, this.#initializer(value)] as const),
      ),
      valueInfo: new Map([...graph.valueInfo].map(([name, value]) => [name, this.#value(value)] as const)),
    };
  }

  #node(node: Node): Node {
    if (this.#conversion.kept?.has(node)) return node;
    const attributes = [...node.attributes].map(
      ([name, value]) => [name, this.#attribute(name, value)] as const,
    );
    return { ...node, attributes: new Map(attributes) };
  }

  #attribute(name: string, value: Attribute): Attribute {
    const { to, typeAttributes } = this.#conversion;
    if (value.kind === 'tensor') return { ...value, value: this.#initializer(value.value) };
    if (value.kind === 'graph') return { ...value, value: this.graph(value.value) };
    if (value.kind === 'int' && typeAttributes.has(name) && this.#codes.includes(Number(value.value)))
      return toAttribute(dtypeInfo(to).code);
    return value;
  }

  #initializer(initializer: Initializer): Initializer {
    const { from, convert, kept } = this.#conversion;
    if (!from.includes(initializer.dtype) || kept?.has(initializer)) return initializer;
    return toInitializer(initializer.name, convert(toTensor(initializer)));
  }

  #value(value: ValueInfo): ValueInfo {
    return value.type ? { ...value, type: this.#type(value.type) } : value;
  }

  #type(type: ValueType): ValueType {
    const { from, to } = this.#conversion;
    if (type.kind === 'sequence' || type.kind === 'optional')
      return { ...type, element: this.#type(type.element) };
    return type.kind === 'tensor' && from.includes(type.dtype) ? { ...type, dtype: to } : type;
  }
}
