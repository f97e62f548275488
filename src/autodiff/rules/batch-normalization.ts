/**
 * BatchNormalization. With frozen statistics it is a line for each channel. They are constants as a rule; but some
 * exporters compute them (weights that are standardised), and then the gradient goes through them too:
 *
 *   r = 1 / √(var + ε)
 *   y = (x − mean) · r · scale + bias
 *   dx = dy · scale · r     dscale = r · Σ dy · (x − mean)     dbias = Σ dy
 *   dmean = − scale · r · Σ dy     dvar = − ½ · scale · r³ · Σ dy · (x − mean)
 *
 * A node left in training mode standardises by the batch instead, and has the gradient of normalization.ts over the
 * batch and the spatial axes.
 */
import { floatAttribute, intAttribute } from '../../onnx/attributes.js';
import type { Node } from '../../onnx/ir.js';
import { reshape } from '../append.js';
import type { GradientRule, RuleContext } from '../gradient-rule.js';
import { reduceSum } from '../unbroadcast.js';
import { standardize, standardizedGradient, statisticsOf } from './normalization.js';

export const batchNormalization: readonly GradientRule[] = [
  {
    opTypes: ['BatchNormalization'],
    differentiable: (node) => (isByBatch(node) ? [0, 1, 2] : [0, 1, 2, 3, 4]),
    backward: (at) => (isByBatch(at.node) ? byBatch(at) : frozen(at)),
  },
];

function isByBatch(node: Node): boolean {
  return intAttribute(node, 'training_mode', 0) === 1;
}

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
  const epsilon = at.scalar(floatAttribute(at.node, 'epsilon', 1e-5));
  const inverse = at.op('Reciprocal', [at.op('Sqrt', [at.op('Add', [variance, epsilon])])]);
  const dY = at.dY[0]!;
  const gradients = new Map<number, string>();
  if (at.needs(0)) {
    gradients.set(0, at.op('Mul', [dY, reshape(at, at.op('Mul', [scale, inverse]), shape)]));
  }
  if (at.needs(1) || at.needs(4)) {
    const centred = at.op('Sub', [x, reshape(at, mean, shape)]);
    const along = at.op('Mul', [reduceSum(at, at.op('Mul', [dY, centred]), summed, 0), inverse]);
    gradients.set(1, along);
    if (at.needs(4)) {
      const slope = at.op('Mul', [at.op('Mul', [scale, inverse]), inverse]);
      gradients.set(4, at.op('Mul', [at.op('Mul', [along, slope]), at.scalar(-0.5)]));
    }
  }
  if (at.needs(2) || at.needs(3)) {
    const sum = reduceSum(at, dY, summed, 0);
    gradients.set(2, sum);
    if (at.needs(3)) gradients.set(3, at.op('Neg', [at.op('Mul', [at.op('Mul', [scale, inverse]), sum])]));
  }
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
