import type { AttributeInput } from '../../src/onnx/attributes.js';
import { claimGradients, type GradientCase } from './expect-gradients.js';

const softmaxes: GradientCase[] = ['Softmax', 'LogSoftmax'].flatMap((op) =>
  [8, 11, 13, 21].flatMap((opset) =>
    [undefined, 0, 1, 2].map((axis): GradientCase => ({
      name: `${op} axis ${axis ?? 'default'}`,
      opset,
      build: (b, { weight }) =>
        b.op(op, [weight('x', [2, 3, 5])], { attributes: axis === undefined ? {} : { axis } }),
    })),
  ),
);

const negativeAxis: GradientCase[] = [11, 13].map((opset) => ({
  name: 'Softmax axis -2',
  opset,
  build: (b, { weight }) => b.op('Softmax', [weight('x', [2, 3, 5])], { attributes: { axis: -2 } }),
}));

interface Loss {
  readonly name: string;
  readonly attributes: Readonly<Record<string, AttributeInput>>;
  readonly labels: readonly number[];
  readonly dims: readonly number[];
  readonly isWeighted?: boolean;
}

const losses: readonly Loss[] = [
  { name: 'mean', attributes: {}, labels: [0, 2, 1, 2], dims: [4, 3] },
  { name: 'sum', attributes: { reduction: 'sum' }, labels: [0, 2, 1, 2], dims: [4, 3] },
  { name: 'none', attributes: { reduction: 'none' }, labels: [0, 2, 1, 2], dims: [4, 3] },
  { name: 'weighted mean', attributes: {}, labels: [0, 2, 1, 2], dims: [4, 3], isWeighted: true },
  { name: 'mean without label 1', attributes: { ignore_index: 1 }, labels: [0, 2, 1, 2], dims: [4, 3] },
  {
    name: 'weighted mean without label -100',
    attributes: { ignore_index: -100 },
    labels: [0, -100, 1, 2],
    dims: [4, 3],
    isWeighted: true,
  },
  { name: 'sum over pixels', attributes: { reduction: 'sum' }, labels: [0, 2, 1, 2, 1, 1], dims: [2, 3, 3] },
  {
    name: 'weighted mean over pixels',
    attributes: { ignore_index: 0 },
    labels: [0, 2, 1, 2, 1, 1],
    dims: [1, 3, 2, 3],
    isWeighted: true,
  },
];

const crossEntropies: GradientCase[] = ['SoftmaxCrossEntropyLoss', 'NegativeLogLikelihoodLoss'].flatMap(
  (op) =>
    [12, 13, 25].flatMap((opset) =>
      losses.map(({ name, attributes, labels, dims, isWeighted }): GradientCase => ({
        name: `${op}, ${name}`,
        opset,
        build: (b, { weight, fixed, ints }) => {
          const target = ints(labels, [dims[0]!, ...dims.slice(2)]);
          const classWeights = isWeighted
            ? [fixed('class weights', [dims[1]!], (z) => 0.2 + Math.abs(z))]
            : [];
          return b.op(op, [weight('scores', dims), target, ...classWeights], { attributes });
        },
      })),
    ),
);

const logProbabilities: GradientCase[] = [
  {
    name: 'SoftmaxCrossEntropyLoss whose log-probabilities are used too',
    opset: 13,
    build: (b, { weight, ints }) =>
      b.ops('SoftmaxCrossEntropyLoss', [weight('scores', [4, 3]), ints([0, 2, 1, 2])], 2),
  },
];

describe('gradients of softmax and its losses', () => {
  claimGradients([...softmaxes, ...negativeAxis, ...crossEntropies, ...logProbabilities]);
});
