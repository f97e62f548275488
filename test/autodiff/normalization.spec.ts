import type { AttributeInput } from '../../src/onnx/attributes.js';
import { claimGradients, type GradientCase, type Values } from './expect-gradients.js';

const positive: Values = (z) => Math.abs(z) + 0.5;

interface Row {
  readonly name: string;
  readonly opType: string;
  readonly x: readonly number[];
  /** Parameters after the data. */
  readonly parameters?: readonly (readonly number[])[];
  readonly attributes?: Readonly<Record<string, AttributeInput>>;
  readonly opsets?: readonly number[];
  readonly outputs?: number;
  /** Mean and variance are computed from weights, and have gradients. */
  readonly isComputed?: boolean;
}

const rows: readonly Row[] = [
  { name: 'over the last axis', opType: 'LayerNormalization', x: [2, 3, 7], parameters: [[7], [7]], opsets: [17, 18, 25] },
  { name: 'without bias, over two axes', opType: 'LayerNormalization', x: [2, 3, 5], parameters: [[3, 5]], attributes: { axis: 1 }, opsets: [17, 18, 25] },
  { name: 'with a scale that is repeated', opType: 'LayerNormalization', x: [2, 3, 5], parameters: [[5], [1, 5]], attributes: { axis: -2, epsilon: { float: 1e-3 } } },
  { name: 'over the last axis', opType: 'RMSNormalization', x: [2, 3, 7], parameters: [[7]], opsets: [23, 25] },
  { name: 'over two axes', opType: 'RMSNormalization', x: [2, 3, 5], parameters: [[3, 5]], attributes: { axis: -2, epsilon: { float: 1e-2 } }, opsets: [23, 25] },
  { name: 'of images', opType: 'InstanceNormalization', x: [2, 3, 5, 4], parameters: [[3], [3]], opsets: [9, 13, 25] },
  { name: 'of sequences', opType: 'InstanceNormalization', x: [2, 3, 9], parameters: [[3], [3]], attributes: { epsilon: { float: 1e-2 } } },
  { name: 'with a scale a channel', opType: 'GroupNormalization', x: [2, 6, 3, 5], parameters: [[6], [6]], attributes: { num_groups: 2 }, opsets: [21, 25] },
  { name: 'with a scale a group', opType: 'GroupNormalization', x: [2, 6, 3, 5], parameters: [[2], [2]], attributes: { num_groups: 2, epsilon: { float: 1e-3 } }, opsets: [18, 20] },
  { name: 'of vectors', opType: 'GroupNormalization', x: [3, 8], parameters: [[8], [8]], attributes: { num_groups: 2 }, opsets: [21] },
  { name: 'by the Euclidean norm', opType: 'LpNormalization', x: [2, 5, 3], attributes: { axis: 1 }, opsets: [9, 17, 25] },
  { name: 'by the sum of magnitudes', opType: 'LpNormalization', x: [2, 5, 3], attributes: { p: 1 }, opsets: [9, 17, 25] },
  { name: 'over the batch too', opType: 'MeanVarianceNormalization', x: [3, 2, 4, 3], opsets: [9, 13, 17] },
  { name: 'over single pixels', opType: 'MeanVarianceNormalization', x: [3, 5, 4, 3], attributes: { axes: [1] } },
  { name: 'of an odd size', opType: 'LRN', x: [2, 7, 3, 2], attributes: { size: 3, alpha: { float: 0.5 } }, opsets: [9, 13, 25] },
  { name: 'wider than the channels', opType: 'LRN', x: [2, 3, 4, 2], attributes: { size: 5, alpha: { float: 0.9 }, beta: { float: 0.5 }, bias: { float: 2 } } },
  { name: 'by the batch, in training mode', opType: 'BatchNormalization', x: [3, 4, 3, 2], parameters: [[4], [4]], attributes: { training_mode: 1 }, opsets: [14, 17, 25], outputs: 3 },
  { name: 'of images by frozen statistics', opType: 'BatchNormalization', x: [3, 4, 3, 2], parameters: [[4], [4]], opsets: [9, 13, 25] },
  { name: 'of vectors by frozen statistics', opType: 'BatchNormalization', x: [3, 4], parameters: [[4], [4]], attributes: { epsilon: { float: 1e-2 } }, opsets: [7, 14, 25] },
  { name: 'of every place by frozen statistics', opType: 'BatchNormalization', x: [3, 4, 3, 2], parameters: [[4, 3, 2], [4, 3, 2]], attributes: { spatial: 0 }, opsets: [7, 8] },
  { name: 'of images by computed statistics', opType: 'BatchNormalization', x: [3, 4, 3, 2], parameters: [[4], [4]], isComputed: true, opsets: [9, 13, 25] },
  { name: 'of every place by computed statistics', opType: 'BatchNormalization', x: [3, 4, 3, 2], parameters: [[4, 3, 2], [4, 3, 2]], attributes: { spatial: 0 }, isComputed: true, opsets: [7] },
  { name: 'of volumes by frozen statistics', opType: 'BatchNormalization', x: [2, 3, 3, 1, 5], parameters: [[3], [3]], opsets: [7, 14, 25] },
]; // prettier-ignore

const cases: GradientCase[] = rows.flatMap(({ name, opType, x, parameters = [], attributes = {}, opsets = [17], outputs = 1, isComputed = false }) =>
  opsets.map((opset) => ({
    name: `${opType} ${name}`,
    opset,
    build: (b, { weight, fixed }) => {
      const inputs = [weight('x', x), ...parameters.map((dims, i) => weight(`parameter ${i}`, dims))];
      if (isComputed) {
        const spread = weight('spread', parameters[0]!, positive);
        inputs.push(b.op('Neg', [weight('centre', parameters[0]!)]), b.op('Mul', [spread, spread]));
      } else if (opType === 'BatchNormalization') inputs.push(fixed('mean', parameters[0]!), fixed('variance', parameters[0]!, positive));
      return b.ops(opType, inputs, outputs, { attributes })[0]!;
    },
  })),
); // prettier-ignore

const statistics: readonly GradientCase[] = [17, 25].map((opset) => ({
  name: 'LayerNormalization, through its mean and deviation too',
  opset,
  build: (b, { weight }) =>
    b.ops('LayerNormalization', [weight('x', [2, 3, 5]), weight('scale', [3, 5]), weight('shift', [5])], 3, {
      attributes: { axis: 1 },
    }),
}));

describe('The gradient of a normalisation', () => {
  claimGradients([...cases, ...statistics]);
});
