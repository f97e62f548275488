/** A float16 model as the same function in float32: weights, constants, casts and declared types. */
import { toAttribute } from '../onnx/attributes.js';
import { toInitializer, toTensor } from '../onnx/initializer.js';
import type { Attribute, Graph, Initializer, Model, Node, ValueInfo, ValueType } from '../onnx/ir.js';
import { dtypeInfo } from '../tensor/dtype.js';
import { fromHalfArray } from '../tensor/float16.js';
import { float32 } from '../tensor/tensor.js';

const half = dtypeInfo('float16').code;
const single = dtypeInfo('float32').code;

/** Attributes that name a type. */
const typeAttributes = new Set(['to', 'dtype']);

/** Nodes and names stay; a model without float16 comes back as it is. */
export function halfToFloat32(model: Model): Model {
  const graph = widenGraph(model.graph);
  return graph === model.graph ? model : { ...model, graph };
}

/** Whether any weight or constant of the graph is float16. */
export function hasHalf(graph: Graph): boolean {
  const inNode = ({ attributes }: Node): boolean =>
    [...attributes].some(
      ([name, value]) =>
        (value.kind === 'tensor' && value.value.dtype === 'float16') ||
        (value.kind === 'graph' && hasHalf(value.value)) ||
        (value.kind === 'int' && typeAttributes.has(name) && Number(value.value) === half),
    );
  return (
    [...graph.initializers.values()].some(({ dtype }) => dtype === 'float16') ||
    graph.inputs.some(({ type }) => type?.kind === 'tensor' && type.dtype === 'float16') ||
    graph.nodes.some(inNode)
  );
}

function widenGraph(graph: Graph): Graph {
  if (!hasHalf(graph)) return graph;
  return {
    ...graph,
    nodes: graph.nodes.map((node) => ({
      ...node,
      attributes: new Map(
        [...node.attributes].map(([name, value]) => [name, widenAttribute(name, value)] as const),
      ),
    })),
    inputs: graph.inputs.map(widenValue),
    outputs: graph.outputs.map(widenValue),
    initializers: new Map([...graph.initializers].map(([name, value]) => [name, widen(value)] as const)),
    valueInfo: new Map([...graph.valueInfo].map(([name, value]) => [name, widenValue(value)] as const)),
  };
}

function widenAttribute(name: string, value: Attribute): Attribute {
  if (value.kind === 'tensor') return { ...value, value: widen(value.value) };
  if (value.kind === 'graph') return { ...value, value: widenGraph(value.value) };
  if (value.kind === 'int' && typeAttributes.has(name) && Number(value.value) === half)
    return toAttribute(single);
  return value;
}

function widen(initializer: Initializer): Initializer {
  if (initializer.dtype !== 'float16') return initializer;
  const { dims, data } = toTensor(initializer);
  return toInitializer(initializer.name, float32(dims, fromHalfArray(data as Uint16Array)));
}

function widenValue(value: ValueInfo): ValueInfo {
  return value.type ? { ...value, type: widenType(value.type) } : value;
}

function widenType(type: ValueType): ValueType {
  return type.kind === 'tensor' && type.dtype === 'float16' ? { ...type, dtype: 'float32' } : type;
}
