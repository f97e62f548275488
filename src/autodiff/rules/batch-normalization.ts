/**
 * BatchNormalization. With frozen statistics it is a line for each channel; mean and var are constants then, and no
 * gradient reaches them:
 *
 *   r = 1 / √(var + ε)
 *   y = (x − mean) · r · scale + bias
 *   dx = dy · scale · r     dscale = r · Σ dy · (x − mean)     dbias = Σ dy
 *
 * A node left in training mode standardises by the batch instead, and has the gradient of normalization.ts over the
 * batch and the spatial axes.
 */
import { floatAttribute, intAttribute } from '../../onnx/attributes.js';
import { reshape } from '../append.js';
import type { GradientRule, RuleContext } from '../gradient-rule.js';
import { reduceSum } from '../unbroadcast.js';
import { standardize, standardizedGradient, statisticsOf } from './normalization.js';

export const batchNormalization: readonly GradientRule[] = [
  {
    opTypes: ['BatchNormalization'],
    differentiable: [0, 1, 2],
    backward: (at) => (intAttribute(at.node, 'training_mode', 0) === 1 ? byBatch(at) : frozen(at)),
  },
];

/** How a parameter lies beside the data [N, C, …]: one a channel, or one a place before opset 9 with spatial = 0. */
function parameterLayout(at: RuleContext): {
  readonly shape: readonly number[];
  readonly summed: readonly number[];
} {
  const rank = at.shapeOf(at.x[0]!).length;
  const own = at.shapeOf(at.x[1]!);
  if (own.length !== 1) return { shape: own, summed: [0] };
  const places = Array.from({ length: rank - 2 }, (_, i) => i + 2);
  return { shape: [-1, ...places.map(() => 1)], summed: [0, ...places] };
}

function frozen(at: RuleContext): ReadonlyMap<number, string> {
  const [x, scale, , mean, variance] = at.x as [string, string, string, string, string];
  const { shape, summed } = parameterLayout(at);
  const epsilon = at.builder.scalar(floatAttribute(at.node, 'epsilon', 1e-5));
  const inverse = at.op('Reciprocal', [at.op('Sqrt', [at.op('Add', [variance, epsilon])])]);
  const dY = at.dY[0]!;
  const gradients = new Map<number, string>();
  if (at.needs(0)) {
    gradients.set(0, at.op('Mul', [dY, reshape(at, at.op('Mul', [scale, inverse]), shape)]));
  }
  if (at.needs(1)) {
    const centred = at.op('Sub', [x, reshape(at, mean, shape)]);
    const along = reduceSum(at, at.op('Mul', [dY, centred]), summed, 0);
    gradients.set(1, at.op('Mul', [along, inverse]));
  }
  if (at.needs(2)) gradients.set(2, reduceSum(at, dY, summed, 0));
  return gradients;
}

function byBatch(at: RuleContext): ReadonlyMap<number, string> {
  const [x, scale] = at.x as [string, string];
  const { shape, summed } = parameterLayout(at);
  const statistics = statisticsOf(at, x, summed);
  const standard = standardize(at, x, statistics);
  const dY = at.dY[0]!;
  const gradients = new Map<number, string>();
  if (at.needs(0)) {
    const dStandard = at.op('Mul', [dY, reshape(at, scale, shape)]);
    gradients.set(0, standardizedGradient(at, dStandard, standard, statistics, summed));
  }
  if (at.needs(1)) gradients.set(1, reduceSum(at, at.op('Mul', [dY, standard]), summed, 0));
  if (at.needs(2)) gradients.set(2, reduceSum(at, dY, summed, 0));
  return gradients;
}
