/**
 * Softmax and the losses on it.
 *
 *   y = softmax x         dx = (dy − Σ dy·y) · y
 *   y = log softmax x     dx = dy − exp(y) · Σ dy
 *   L = −Σ wₙ y[n, tₙ]    dx = wₙ (softmax x − one-hot t) dL;  for log-probabilities x: −wₙ one-hot(t) dL
 *
 * with wₙ the weight of the class tₙ (0 for ignore_index), divided by Σ w where the reduction is `mean`.
 */
import { intAttribute, stringAttribute } from '../../onnx/attributes.js';
import { dtypeInfo } from '../../tensor/dtype.js';
import { positiveAxis } from '../../tensor/shape.js';
import { int64 } from '../../tensor/tensor.js';
import { keepWhere, unsqueeze } from '../append.js';
import type { GradientRule, RuleContext } from '../gradient-rule.js';
import { reduceSum } from '../unbroadcast.js';

/** One axis; before opset 13 all from `axis` on, which counted as one. */
function softmaxAxes(at: RuleContext): number[] {
  const rank = at.shapeOf(at.x[0]!).length;
  const axis = positiveAxis(intAttribute(at.node, 'axis', at.opset < 13 ? 1 : -1), rank);
  if (at.opset >= 13) return [axis];
  return Array.from({ length: rank }, (_, i) => i).slice(axis);
}

const int64Code = dtypeInfo('int64').code;

function logSoftmaxBackward(at: RuleContext, dY: string, y: string, axes: readonly number[]): string {
  return at.op('Sub', [dY, at.op('Mul', [at.op('Exp', [y]), reduceSum(at, dY, axes, 1)])]);
}

/** What each example counts, in the shape of the labels; and their one-hot form [N, C, …] as bool. */
function readLabels(at: RuleContext): { readonly weight: string; readonly oneHot: string } {
  const [scores, target, classWeights] = at.x as [string, string, string?];
  const shape = at.shapeOf(scores);
  const classCount = shape[1]!;
  let labels = at.op('Cast', [target], { to: int64Code });
  let weight = at.op('Expand', [at.scalar(1), at.shape(target)]);
  const ignored = at.node.attributes.has('ignore_index')
    ? intAttribute(at.node, 'ignore_index', 0)
    : undefined;
  let counts: string | undefined;
  if (ignored !== undefined) {
    counts = at.op('Not', [
      at.op('Equal', [labels, at.builder.shared(`const/int64/${ignored}`, int64([], [ignored]))]),
    ]);
    // The ignored label may be no class at all.
    labels = at.op('Mul', [labels, at.op('Cast', [counts], { to: int64Code })]);
  }
  if (classWeights) weight = at.op('Gather', [classWeights, labels], { axis: 0 });
  if (counts !== undefined) weight = keepWhere(at, counts, weight);
  const classes = at.builder.constant(
    `grad/${at.node.name || at.y[0]}/classes`,
    int64([classCount, ...shape.slice(2).map(() => 1)], [...Array(classCount).keys()]),
  );
  return { weight, oneHot: at.op('Equal', [unsqueeze(at, labels, [1]), classes]) };
}

/** wₙ dL as [N, 1, …] */
function lossGradient(at: RuleContext, dL: string, weight: string): string {
  const reduction = stringAttribute(at.node, 'reduction', 'mean');
  let each = at.op('Mul', [weight, dL]);
  if (reduction === 'mean') {
    const rank = at.shapeOf(at.x[1]!).length;
    const total = reduceSum(at, weight, [...Array(rank).keys()], 0);
    each = at.op('Div', [each, total]);
  }
  return unsqueeze(at, each, [1]);
}

export const softmax: readonly GradientRule[] = [
  {
    opTypes: ['Softmax'],
    differentiable: [0],
    backward(at) {
      const [dY, y] = [at.dY[0]!, at.y[0]!];
      const total = reduceSum(at, at.op('Mul', [dY, y]), softmaxAxes(at), 1);
      return new Map([[0, at.op('Mul', [at.op('Sub', [dY, total]), y])]]);
    },
  },
  {
    opTypes: ['LogSoftmax'],
    differentiable: [0],
    backward: (at) => new Map([[0, logSoftmaxBackward(at, at.dY[0]!, at.y[0]!, softmaxAxes(at))]]),
  },
  {
    opTypes: ['SoftmaxCrossEntropyLoss'],
    differentiable: [0],
    differentiableOutputs: [0, 1],
    backward(at) {
      const [dL, dLog] = at.dY;
      const logProbabilities = at.forwardOutput(1);
      let dX = dLog === undefined ? undefined : logSoftmaxBackward(at, dLog, logProbabilities, [1]);
      if (dL !== undefined) {
        const { weight, oneHot } = readLabels(at);
        const hot = at.op('Cast', [oneHot], { to: dtypeInfo(at.dtypeOf(at.x[0]!)).code });
        const error = at.op('Sub', [at.op('Exp', [logProbabilities]), hot]);
        const fromLoss = at.op('Mul', [error, lossGradient(at, dL, weight)]);
        dX = dX === undefined ? fromLoss : at.op('Add', [dX, fromLoss]);
      }
      return new Map([[0, dX!]]);
    },
  },
  {
    opTypes: ['NegativeLogLikelihoodLoss'],
    differentiable: [0],
    backward(at) {
      const { weight, oneHot } = readLabels(at);
      const each = at.op('Neg', [lossGradient(at, at.dY[0]!, weight)]);
      return new Map([[0, keepWhere(at, oneHot, each)]]);
    },
  },
];
