import { indexGraph } from '../onnx/graph-index.js';
import type { Graph, Node } from '../onnx/ir.js';
import { type DType, dtypeFromCode } from '../tensor/dtype.js';
import { isClassicalClassifier } from './ending-operators.js';

/** Operators whose result has a type of its own, whatever goes in; the others give what their first input is. */
const fixed: ReadonlyMap<string, DType> = new Map([
  ['Shape', 'int64'],
  ['Size', 'int64'],
  ['ArgMax', 'int64'],
  ['ArgMin', 'int64'],
  ['NonZero', 'int64'],
  ['NonMaxSuppression', 'int64'],
  ['SequenceLength', 'int64'],
  ['Equal', 'bool'],
  ['Less', 'bool'],
  ['Greater', 'bool'],
  ['LessOrEqual', 'bool'],
  ['GreaterOrEqual', 'bool'],
  ['IsNaN', 'bool'],
  ['IsInf', 'bool'],
  ['Not', 'bool'],
  ['OptionalHasElement', 'bool'],
  ['ConvInteger', 'int32'],
  ['MatMulInteger', 'int32'],
  ['MatMulIntegerToFloat', 'float32'],
  ['DynamicQuantizeMatMul', 'float32'],
  ['TfIdfVectorizer', 'float32'],
  // Of ai.onnx.ml.
  ['Scaler', 'float32'],
  ['Normalizer', 'float32'],
  ['LinearRegressor', 'float32'],
  ['SVMRegressor', 'float32'],
]);

/** Operators that say the type of their result in an attribute, and what it is without one; undefined: that of an input. */
const told: ReadonlyMap<string, readonly [attribute: string, otherwise: DType | undefined]> = new Map([
  ['EyeLike', ['dtype', undefined]],
  ['RandomNormal', ['dtype', 'float32']],
  ['RandomUniform', ['dtype', 'float32']],
  ['RandomNormalLike', ['dtype', undefined]],
  ['RandomUniformLike', ['dtype', undefined]],
  ['Bernoulli', ['dtype', undefined]],
  ['Multinomial', ['dtype', 'int32']],
  ['BlackmanWindow', ['output_datatype', 'float32']],
  ['HammingWindow', ['output_datatype', 'float32']],
  ['HannWindow', ['output_datatype', 'float32']],
  ['MelWeightMatrix', ['output_datatype', 'float32']],
  ['QuantizeLinear', ['output_dtype', undefined]],
  ['DequantizeLinear', ['output_dtype', undefined]],
]);

/** Of the second output, where it is another. */
const ofSecond: ReadonlyMap<string, DType> = new Map([
  ['MaxPool', 'int64'],
  ['TopK', 'int64'],
  ['Dropout', 'bool'],
  ['EmbedLayerNormalization', 'int32'],
]);

/** Which input has the type of the result, where it is not the first. */
const like: ReadonlyMap<string, number> = new Map([
  ['Where', 1],
  ['CastLike', 1],
  ['EmbedLayerNormalization', 2],
  ['OneHot', 2],
  ['DequantizeLinear', 1],
  ['QLinearConv', 7],
  ['QLinearMatMul', 7],
  ['QGemm', 8],
  ['QLinearAdd', 7],
  ['QLinearMul', 7],
  ['QLinearConcat', 1],
  ['QuantizeLinear', 2],
  ['GatherBlockQuantized', 2],
]);

/**
 * The element type of a value: as the file declares it, else as the operators before it make it; float32 where nothing tells.
 * @param around - the graphs that a body lies in, the innermost first
 */
export function valueDtype(graph: Graph, value: string, around: readonly Graph[] = []): DType {
  const { producer } = indexGraph(graph);
  const declared = new Map(
    [...graph.valueInfo.values(), ...graph.outputs, ...graph.inputs].map((info) => [info.name, info]),
  );
  let name = value;
  for (let steps = 0; steps < graph.nodes.length + 1; steps++) {
    const type = declared.get(name)?.type;
    if (type?.kind === 'tensor') return type.dtype;
    const initializer = graph.initializers.get(name);
    if (initializer) return initializer.dtype;
    const node = producer(name);
    if (!node) {
      const [outer, ...others] = around;
      return outer ? valueDtype(outer, name, others) : 'float32';
    }
    const made = madeDtype(node, node.outputs.indexOf(name));
    if (made !== undefined) return made;
    if (/^(If|Loop|Scan|SequenceAt|OptionalGetElement)$/.test(node.opType)) return 'float32';
    const source = node.inputs[like.get(node.opType) ?? 0];
    if (source === undefined || source === '') return node.opType === 'QuantizeLinear' ? 'uint8' : 'float32';
    name = source;
  }
  return 'float32';
}

function madeDtype(node: Node, output: number): DType | undefined {
  const { opType, attributes } = node;
  if (opType === 'DynamicQuantizeLinear') return output === 1 ? 'float32' : 'uint8';
  const second = output === 1 ? ofSecond.get(opType) : undefined;
  if (second) return second;
  const known = fixed.get(opType);
  if (known) return known;
  const said = told.get(opType);
  if (said) {
    const code = attributes.get(said[0]);
    return code?.kind === 'int' ? dtypeFromCode(Number(code.value))?.dtype : said[1];
  }
  if (isClassicalClassifier(node)) {
    if (output === 1) return 'float32';
    const isText = ['classlabels_strings', 'cats_strings'].some((name) => attributes.has(name));
    return isText ? 'string' : 'int64';
  }
  if (opType === 'Unique' && output > 0) return 'int64';
  if (opType === 'Cast') {
    const to = attributes.get('to');
    return to?.kind === 'int' ? dtypeFromCode(Number(to.value))?.dtype : undefined;
  }
  if (opType !== 'Constant' && opType !== 'ConstantOfShape') return undefined;
  const value = attributes.get('value') ?? attributes.get('sparse_value');
  if (value?.kind === 'tensor') return value.value.dtype;
  if (value?.kind === 'sparseTensor') return value.value.values.dtype;
  // Other attributes of a Constant say their type by their names.
  if (attributes.has('value_int') || attributes.has('value_ints')) return 'int64';
  return attributes.has('value_string') || attributes.has('value_strings') ? 'string' : 'float32';
}
