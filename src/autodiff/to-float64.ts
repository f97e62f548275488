/**
 * A float32 model as the same function in float64, for central differences: every float tensor becomes float64, and an
 * operator for which ONNX Runtime has no float64 kernel is written with operators that have one (`float64Forms`).
 */
import { namesOf } from '../graph/names-of.js';
import { valueDtype } from '../graph/value-dtype.js';
import { factsOf } from '../graph/value-facts.js';
import { toAttribute } from '../onnx/attributes.js';
import { GraphBuilder } from '../onnx/graph-builder.js';
import { toInitializer, toTensor } from '../onnx/initializer.js';
import {
  type Attribute,
  type Graph,
  type Initializer,
  type Model,
  node as makeNode,
  type Node,
  type ValueInfo,
  type ValueType,
} from '../onnx/ir.js';
import { type DType, dtypeInfo } from '../tensor/dtype.js';
import { fromHalfArray } from '../tensor/float16.js';
import type { Tensor } from '../tensor/tensor.js';
import { compositionOf, expand } from './compositions/index.js';
import { type Float64Form, float64Forms } from './float64-forms/index.js';

export interface ToFloat64Options {
  /** Real shapes of the values, from a probe run. */
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  readonly forms?: ReadonlyMap<string, Float64Form>;
}

const doubleCode = dtypeInfo('float64').code;
const narrowCodes = new Set<number>(
  (['float32', 'float16', 'bfloat16'] as const).map((dtype) => dtypeInfo(dtype).code),
);

/** Operators whose result is float32 unless this attribute says otherwise. */
const dtypeAttributes: ReadonlyMap<string, string> = new Map([
  ['Cast', 'to'],
  ['EyeLike', 'dtype'],
  ['RandomNormal', 'dtype'],
  ['RandomUniform', 'dtype'],
]);

export function toFloat64(model: Model, { shapes, forms = float64Forms }: ToFloat64Options): Model {
  const opset = model.opsets.get('') ?? 17;
  const taken = namesOf(model.graph).values;
  const builder = new GraphBuilder({ opset, taken });
  const convert = (graph: Graph, target: GraphBuilder): Graph => {
    for (const node of graph.nodes) convertNode(node, target);
    return {
      ...graph,
      nodes: target.nodes,
      inputs: graph.inputs.map(widenValue),
      outputs: graph.outputs.map(widenValue),
      initializers: new Map([
        ...[...graph.initializers].map(([name, initializer]) => [name, widen(initializer)] as const),
        ...target.initializers,
      ]),
      valueInfo: new Map(),
    };
  };
  const all = new Map(shapes);
  const { constantOf } = factsOf(model.graph);
  const convertNode = (node: Node, target: GraphBuilder): void => {
    const composition = compositionOf(node);
    if (composition) {
      const expansion = expand(composition, node, {
        builder: target,
        prefix: `f64/${node.outputs[0]}`,
        opset,
        shapeOf: (value) => all.get(value) ?? [],
        dtypeOf: (value) => valueDtype(model.graph, value),
        scalar: (value) => target.constant('f64/const', double([], [value])),
      });
      for (const [value, shape] of expansion.shapes) all.set(value, shape);
      for (const inner of expansion.nodes) convertNode(inner, target);
      give(node, expansion.outputs, target);
      return;
    }
    const form = forms.get(node.domain === '' ? node.opType : `${node.domain}:${node.opType}`);
    if (form) {
      const shapeOf = (value: string): readonly number[] => all.get(value) ?? [];
      const result = form({
        node,
        x: node.inputs,
        shapeOf,
        constantOf,
        builder: target,
        op: (opType, inputs, attributes = {}) =>
          target.op(opType, inputs, { name: `f64/${node.outputs[0]}/${opType}`, attributes }),
        tensor: (dims, values) => target.constant('f64/const', double(dims, values)),
      });
      give(node, [result].flat(), target);
      return;
    }
    const attributes = new Map([...node.attributes].map(([key, value]) => [key, widenAttribute(value)]));
    for (const [key, attribute] of attributes) {
      if (attribute.kind !== 'graph') continue;
      const inner = new GraphBuilder({ opset, taken });
      attributes.set(key, { kind: 'graph', value: convert(attribute.value, inner) });
    }
    const dtypeKey = dtypeAttributes.get(node.opType);
    const wanted = dtypeKey === undefined ? undefined : attributes.get(dtypeKey);
    if (
      dtypeKey !== undefined &&
      (!wanted || (wanted.kind === 'int' && narrowCodes.has(Number(wanted.value))))
    )
      attributes.set(dtypeKey, toAttribute(doubleCode));
    if (node.opType === 'ConstantOfShape' && !attributes.has('value'))
      attributes.set('value', toAttribute(toInitializer('', double([1], [0]))));
    for (const key of ['value_float', 'value_floats']) {
      const value = attributes.get(key);
      if (value?.kind === 'float') attributes.set('value', constantAttribute([], [value.value]));
      else if (value?.kind === 'floats')
        attributes.set('value', constantAttribute([value.value.length], value.value));
      attributes.delete(key);
    }
    target.nodes.push({ ...node, attributes });
  };
  return { ...model, graph: convert(model.graph, builder), functions: model.functions };
}

/** Values under the names of the node's outputs that they stand for. */
function give({ outputs }: Node, values: readonly string[], target: GraphBuilder): void {
  for (const [i, value] of values.entries()) {
    const output = outputs[i];
    if (output && value)
      target.nodes.push(makeNode({ opType: 'Identity', inputs: [value], outputs: [output] }));
  }
}

export function double(dims: readonly number[], values: ArrayLike<number>): Tensor {
  return { dtype: 'float64', dims, data: Float64Array.from(values) };
}

/** A float32 or half tensor in float64; others as they are. */
export function toDouble(tensor: Tensor): Tensor {
  if (tensor.dtype === 'float32') return double(tensor.dims, tensor.data as Float32Array);
  if (tensor.dtype === 'float16') return double(tensor.dims, fromHalfArray(tensor.data as Uint16Array));
  return tensor;
}

function constantAttribute(dims: readonly number[], values: readonly number[]): Attribute {
  return toAttribute(toInitializer('', double(dims, values)));
}

function widen(initializer: Initializer): Initializer {
  return isNarrow(initializer.dtype)
    ? toInitializer(initializer.name, toDouble(toTensor(initializer)))
    : initializer;
}

function isNarrow(dtype: DType): boolean {
  return dtype === 'float32' || dtype === 'float16';
}

function widenAttribute(attribute: Attribute): Attribute {
  return attribute.kind === 'tensor' ? { ...attribute, value: widen(attribute.value) } : attribute;
}

function widenValue(value: ValueInfo): ValueInfo {
  return value.type ? { ...value, type: widenType(value.type) } : value;
}

function widenType(type: ValueType): ValueType {
  return type.kind === 'tensor' && isNarrow(type.dtype) ? { ...type, dtype: 'float64' } : type;
}
