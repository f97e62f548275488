/** What operators at the end of a model tell of it. */
import type { Node } from '../onnx/ir.js';

/** They turn a classifier's sums into the model's output, or move them about. */
export const scoring: ReadonlySet<string> = new Set([
  'Softmax',
  'LogSoftmax',
  'Sigmoid',
  'QLinearSigmoid',
  'QLinearSoftmax',
  'HardSigmoid',
  'Softplus',
  'Relu',
  'Clip',
  'Exp',
  'Neg',
  'Identity',
  'Cast',
  'Dropout',
  'Reshape',
  'Flatten',
  'Squeeze',
  'Unsqueeze',
  'Transpose',
  'Add',
  'QLinearAdd',
  'Sub',
  'Mul',
  'Div',
  'Concat',
  'Gather',
  'GatherND',
  'GatherElements',
  'Slice',
  'Split',
  'TopK',
  'QuantizeLinear',
  'DequantizeLinear',
  'GlobalAveragePool',
  'QLinearGlobalAveragePool',
  'AveragePool',
  'QLinearAveragePool',
  'ReduceMean',
  'ReduceSum',
  'ReduceMax',
  'Max',
  'Expand',
  // Of ai.onnx.ml.
  'Normalizer',
]);
export const pooling: ReadonlySet<string> = new Set([
  'GlobalAveragePool',
  'QLinearGlobalAveragePool',
  'AveragePool',
  'QLinearAveragePool',
  'ReduceMean',
]);
export const probability: ReadonlySet<string> = new Set([
  'Softmax',
  'LogSoftmax',
  'Sigmoid',
  'QLinearSoftmax',
  'TopK',
]);
export const normalising: ReadonlySet<string> = new Set([
  'LpNormalization',
  'BatchNormalization',
  'LayerNormalization',
  'SimplifiedLayerNormalization',
  'RMSNormalization',
]);

/** LinearClassifier, SVMClassifier, TreeEnsembleClassifier: what skl2onnx writes. The first output is the label, the second the scores. */
export function isClassicalClassifier({ domain, opType }: Node): boolean {
  return domain === 'ai.onnx.ml' && opType.endsWith('Classifier');
}
