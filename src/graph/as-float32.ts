/** A model of other floating-point types as the same function in float32: weights, constants, casts and declared types. */
import { toAttribute } from '../onnx/attributes.js';
import { toInitializer, toTensor } from '../onnx/initializer.js';
import type { Attribute, Graph, Initializer, Model, Node, ValueInfo, ValueType } from '../onnx/ir.js';
import { type DType, dtypeInfo } from '../tensor/dtype.js';
import { toFloat32 } from '../tensor/to-float32.js';
import { float32 } from '../tensor/tensor.js';

export type OtherFloat = 'float16' | 'bfloat16' | 'float64';

const single = dtypeInfo('float32').code;
const largest = 3.4028234663852886e38;

/** Attributes that name a type. */
const typeAttributes = new Set(['to', 'dtype', 'output_dtype', 'stash_type', 'softmax_precision']);

/**
 * Nodes and names stay; a model without the types `from` comes back as it is. Finite numbers beyond float32 become its
 * largest: float64's least number stands for what a mask hides, and infinities in its place would give no numbers.
 */
export function asFloat32(model: Model, from: readonly OtherFloat[]): Model {
  const graph = new Conversion(from).graph(model.graph);
  return graph === model.graph ? model : { ...model, graph };
}

/** Whether any input, weight, constant or cast of the graph is of one of these types. */
export function hasDType(graph: Graph, dtypes: readonly DType[]): boolean {
  const isOne = ({ dtype }: { readonly dtype: DType }): boolean => dtypes.includes(dtype);
  const codes = dtypes.map((dtype) => dtypeInfo(dtype).code);
  const inNode = ({ attributes }: Node): boolean =>
    [...attributes].some(
      ([name, value]) =>
        (value.kind === 'tensor' && isOne(value.value)) ||
        (value.kind === 'graph' && hasDType(value.value, dtypes)) ||
        (value.kind === 'int' && typeAttributes.has(name) && codes.includes(Number(value.value))),
    );
  return (
    [...graph.initializers.values()].some(isOne) ||
    graph.inputs.some(({ type }) => type?.kind === 'tensor' && isOne(type)) ||
    graph.nodes.some(inNode)
  );
}

class Conversion {
  readonly #from: readonly DType[];
  readonly #codes: readonly number[];

  constructor(from: readonly OtherFloat[]) {
    this.#from = from;
    this.#codes = from.map((dtype) => dtypeInfo(dtype).code);
  }

  graph(graph: Graph): Graph {
    if (!hasDType(graph, this.#from)) return graph;
    return {
      ...graph,
      nodes: graph.nodes.map((node) => ({
        ...node,
        attributes: new Map(
          [...node.attributes].map(([name, value]) => [name, this.#attribute(name, value)] as const),
        ),
      })),
      inputs: graph.inputs.map((value) => this.#value(value)),
      outputs: graph.outputs.map((value) => this.#value(value)),
      initializers: new Map(
        [...graph.initializers].map(([name, value]) => [name, this.#initializer(value)] as const),
      ),
      valueInfo: new Map([...graph.valueInfo].map(([name, value]) => [name, this.#value(value)] as const)),
    };
  }

  #attribute(name: string, value: Attribute): Attribute {
    if (value.kind === 'tensor') return { ...value, value: this.#initializer(value.value) };
    if (value.kind === 'graph') return { ...value, value: this.graph(value.value) };
    if (value.kind === 'int' && typeAttributes.has(name) && this.#codes.includes(Number(value.value)))
      return toAttribute(single);
    return value;
  }

  #initializer(initializer: Initializer): Initializer {
    if (!this.#from.includes(initializer.dtype)) return initializer;
    const tensor = toTensor(initializer);
    const data = toFloat32(tensor);
    if (tensor.dtype === 'float64') {
      for (const [i, value] of data.entries()) {
        if (Math.abs(value) === Infinity && Number.isFinite(tensor.data[i]))
          data[i] = Math.sign(value) * largest;
      }
    }
    return toInitializer(initializer.name, float32(tensor.dims, data));
  }

  #value(value: ValueInfo): ValueInfo {
    return value.type ? { ...value, type: this.#type(value.type) } : value;
  }

  #type(type: ValueType): ValueType {
    if (type.kind === 'sequence' || type.kind === 'optional')
      return { ...type, element: this.#type(type.element) };
    return type.kind === 'tensor' && this.#from.includes(type.dtype) ? { ...type, dtype: 'float32' } : type;
  }
}
