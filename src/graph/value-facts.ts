/** What a graph tells of its values' types without running it; just enough for passes that must know. */
import { intAttribute, intsAttribute } from '../onnx/attributes.js';
import { constantOfNode } from '../onnx/constant-node.js';
import { toTensor } from '../onnx/initializer.js';
import type { Graph, Initializer, Node } from '../onnx/ir.js';
import { type DType, dtypeFromCode } from '../tensor/dtype.js';
import type { Tensor } from '../tensor/tensor.js';

export interface ValueFacts {
  dtypeOf(value: string): DType | undefined;
  /** The number of axes. */
  rankOf(value: string): number | undefined;
  /** Numbers that the graph holds: an initializer or a Constant, also behind Identities. */
  constantOf(value: string | undefined): Tensor | undefined;
}

export const noFacts: ValueFacts = {
  dtypeOf: () => undefined,
  rankOf: () => undefined,
  constantOf: () => undefined,
};

const words = (text: string): ReadonlySet<string> => new Set(text.split(/\s+/));
const booleanResult = words('Equal Greater GreaterOrEqual Less LessOrEqual Not And Or Xor IsNaN IsInf');
const int64Result = words('Shape Size ArgMax ArgMin NonZero NonMaxSuppression');
/** Their results' element types follow from attributes or other graphs. */
const otherType = words(`ConstantOfShape EyeLike RandomNormal RandomUniform Multinomial OneHot QuantizeLinear
  DequantizeLinear DynamicQuantizeLinear QLinearConv QLinearMatMul ConvInteger MatMulInteger If Loop Scan
  OptionalGetElement OptionalHasElement SequenceAt SequenceEmpty SequenceLength StringNormalizer TfIdfVectorizer
  Bernoulli CastLike BlackmanWindow HammingWindow HannWindow MelWeightMatrix BitCast`);
/** Their results have as many axes as their first input. */
const sameRank =
  words(`Abs AveragePool BatchNormalization Cast Ceil Celu Clip Concat Conv ConvTranspose Dropout Elu Erf
  Exp Floor Gelu GlobalAveragePool GlobalMaxPool GroupNormalization Hardmax HardSigmoid HardSwish Identity
  InstanceNormalization LRN LayerNormalization LeakyRelu Log LogSoftmax LpNormalization MaxPool Mish Neg Pad PRelu
  Reciprocal Relu Resize Round Selu Sigmoid Sign Slice Softmax Softplus Softsign Split Sqrt Tanh Transpose Upsample`);

/** @param outer - of the graph around this one, whose values it may read */
export function factsOf(graph: Graph, outer: ValueFacts = noFacts): ValueFacts {
  const dtypes = new Map<string, DType>();
  const ranks = new Map<string, number>();
  const constants = new Map<string, Initializer>(graph.initializers);
  for (const { name, type } of [...graph.inputs, ...graph.outputs, ...graph.valueInfo.values()]) {
    if (type?.kind !== 'tensor') continue;
    dtypes.set(name, type.dtype);
    if (type.shape) ranks.set(name, type.shape.length);
  }
  for (const [name, { dtype, dims }] of graph.initializers) {
    dtypes.set(name, dtype);
    ranks.set(name, dims.length);
  }
  const dtypeOf = (value: string): DType | undefined => dtypes.get(value) ?? outer.dtypeOf(value);
  const rankOf = (value: string): number | undefined => ranks.get(value) ?? outer.rankOf(value);
  const note = <T>(facts: Map<string, T>, name: string, fact: T | undefined): void => {
    if (fact !== undefined && name !== '' && !facts.has(name)) facts.set(name, fact);
  };
  for (const node of graph.nodes) {
    const [result = ''] = node.outputs;
    const constant = constantOfNode(node) ?? (isIdentity(node) ? constants.get(node.inputs[0]!) : undefined);
    if (constant) constants.set(result, constant);
    note(dtypes, result, constant?.dtype ?? resultType(node, dtypeOf));
    note(ranks, result, constant?.dims.length ?? resultRank(node, rankOf, constants));
  }
  return {
    dtypeOf,
    rankOf,
    constantOf(value = '') {
      const constant = constants.get(value);
      if (!constant) return outer.constantOf(value);
      return constant.dtype === 'string' ? undefined : toTensor(constant);
    },
  };
}

const isIdentity = ({ opType, domain }: Node): boolean => opType === 'Identity' && domain === '';

function resultType(node: Node, dtypeOf: (value: string) => DType | undefined): DType | undefined {
  const { opType, inputs } = node;
  if (node.domain !== '' || otherType.has(opType)) return undefined;
  if (opType === 'Cast') return dtypeFromCode(intAttribute(node, 'to', 0))?.dtype;
  if (booleanResult.has(opType)) return 'bool';
  if (int64Result.has(opType)) return 'int64';
  return dtypeOf(inputs[opType === 'Where' ? 1 : 0] ?? '');
}

function resultRank(
  node: Node,
  rankOf: (value: string) => number | undefined,
  constants: ReadonlyMap<string, Initializer>,
): number | undefined {
  const { opType, inputs } = node;
  if (node.domain !== '') return undefined;
  if (opType === 'Gemm' || opType === 'Flatten') return 2;
  if (opType === 'Reshape') return constants.get(inputs[1] ?? '')?.dims[0];
  const rank = rankOf(inputs[0] ?? '');
  if (sameRank.has(opType)) return rank;
  if (opType.startsWith('Reduce') || opType === 'Unsqueeze') {
    if (rank === undefined || intAttribute(node, 'keepdims', opType === 'Unsqueeze' ? 0 : 1) === 1)
      return rank;
    const axes = intsAttribute(node, 'axes')?.length;
    return axes && (opType === 'Unsqueeze' ? rank + axes : rank - axes);
  }
  if (/^(Add|Sub|Mul|Div|Pow|Max|Min|Sum|MatMul)$/.test(opType)) {
    const all = inputs.map(rankOf);
    // A matrix product with a vector has an axis less.
    if (opType === 'MatMul' && all.some((rank) => rank === 1)) return undefined;
    return all.every((rank) => rank !== undefined)
      ? all.reduce((most, rank) => Math.max(most, rank))
      : undefined;
  }
  return undefined;
}
