/**
 * Activations: dx = dy · slope, from the output where that is cheaper.
 *
 *   relu          1 where y > 0                    sigmoid     y (1 − y)
 *   leaky relu    1 where x > 0, else α            tanh        1 − y²
 *   elu           1 where x > 0, else y + α        softplus    sigmoid x
 *   selu          γ where x > 0, else y + γα       softsign    1 / (1 + |x|)²
 *   celu          1 where x > 0, else y/α + 1      erf         2/√π exp(−x²)
 *   shrink        1 where |x| > λ               (bias only shifts)
 *   hard sigmoid  α where 0 < y < 1                swish       s + α y (1 − s), s = sigmoid(α x)
 *   hard swish    x/3 + ½ where |x| < 3, else 1 where x > 0
 *   mish          t + x (1 − t²) sigmoid x, t = tanh softplus x
 *   gelu          Φ(x) + x φ(x); with tanh: ½ (1 + t) + ½ x (1 − t²) u', t = tanh u, u = √(2/π) (x + 0.044715 x³)
 */
import { floatAttribute, stringAttribute } from '../../onnx/attributes.js';
import { choose, clip, maskWhere } from '../append.js';
import type { GradientRule, RuleContext } from '../gradient-rule.js';

const times = (at: RuleContext, a: string, b: string): string => at.op('Mul', [a, b]);
const scale = (at: RuleContext, a: string, factor: number): string => at.op('Mul', [a, at.scalar(factor)]);
const shift = (at: RuleContext, a: string, by: number): string => at.op('Add', [a, at.scalar(by)]);
const oneMinus = (at: RuleContext, a: string): string => at.op('Sub', [at.scalar(1), a]);
const above = (at: RuleContext, a: string, bound: number): string => at.op('Greater', [a, at.scalar(bound)]);
const below = (at: RuleContext, a: string, bound: number): string => at.op('Less', [a, at.scalar(bound)]);

function activation(
  opType: string,
  backward: (at: RuleContext, dY: string, x: string, y: string) => string,
  domain = '',
): GradientRule {
  return {
    opTypes: [opType],
    domain,
    differentiable: [0],
    backward: (at) => new Map([[0, backward(at, at.dY[0]!, at.x[0]!, at.y[0]!)]]),
  };
}

/** dx is `factor · dy` where x > 0, else dy · (y + added). */
function exponential(
  at: RuleContext,
  dY: string,
  x: string,
  y: string,
  factor: number,
  added: number,
): string {
  return times(at, dY, choose(at, above(at, x, 0), at.scalar(factor), shift(at, y, added)));
}

function exactGeluSlope(at: RuleContext, x: string): string {
  const cdf = scale(at, shift(at, at.op('Erf', [scale(at, x, Math.SQRT1_2)]), 1), 0.5);
  const density = at.op('Exp', [scale(at, times(at, x, x), -0.5)]);
  return at.op('Add', [cdf, scale(at, times(at, x, density), 1 / Math.sqrt(2 * Math.PI))]);
}

function tanhGeluSlope(at: RuleContext, x: string): string {
  const root = Math.sqrt(2 / Math.PI);
  const square = times(at, x, x);
  const t = at.op('Tanh', [times(at, x, shift(at, scale(at, square, root * 0.044715), root))]);
  const inner = shift(at, scale(at, square, 3 * root * 0.044715), root);
  const curve = times(at, times(at, x, oneMinus(at, times(at, t, t))), inner);
  return scale(at, at.op('Add', [shift(at, t, 1), curve]), 0.5);
}

/** s + α y (1 − s) */
function swishSlope(at: RuleContext, x: string, y: string, alpha: number): string {
  const s = at.op('Sigmoid', [alpha === 1 ? x : scale(at, x, alpha)]);
  const rest = times(at, y, oneMinus(at, s));
  return at.op('Add', [s, alpha === 1 ? rest : scale(at, rest, alpha)]);
}

const microsoft = 'com.microsoft';

export const activations: readonly GradientRule[] = [
  activation('Relu', (at, dY, _, y) => maskWhere(at, above(at, y, 0), dY)),
  activation('LeakyRelu', (at, dY, x, y) => {
    const alpha = floatAttribute(at.node, 'alpha', 0.01);
    if (alpha < 0 || alpha > 1) return choose(at, above(at, x, 0), dY, scale(at, dY, alpha));
    // A line so steep that its bounds are the two slopes: a fifth of the time of Where. Of y, since ONNX Runtime folds the
    // factor into the weights of a Conv or MatMul that gives x, whose sums then are inf − inf.
    return times(at, dY, clip(at, scale(at, y, 2 ** 127), alpha, 1));
  }),
  activation('ThresholdedRelu', (at, dY, x) =>
    maskWhere(at, above(at, x, floatAttribute(at.node, 'alpha', 1)), dY),
  ),
  activation('Shrink', (at, dY, x) =>
    maskWhere(at, above(at, at.op('Abs', [x]), floatAttribute(at.node, 'lambd', 0.5)), dY),
  ),
  activation('Elu', (at, dY, x, y) => exponential(at, dY, x, y, 1, floatAttribute(at.node, 'alpha', 1))),
  activation('Selu', (at, dY, x, y) => {
    const alpha = floatAttribute(at.node, 'alpha', 1.6732632423543772);
    const gamma = floatAttribute(at.node, 'gamma', 1.0507009873554805);
    return exponential(at, dY, x, y, gamma, gamma * alpha);
  }),
  activation('Celu', (at, dY, x, y) => {
    const alpha = floatAttribute(at.node, 'alpha', 1);
    return exponential(at, dY, x, alpha === 1 ? y : scale(at, y, 1 / alpha), 1, 1);
  }),
  activation('Sigmoid', (at, dY, _, y) => times(at, dY, times(at, y, oneMinus(at, y)))),
  activation('Tanh', (at, dY, _, y) => times(at, dY, oneMinus(at, times(at, y, y)))),
  activation('HardSigmoid', (at, dY, _, y) =>
    maskWhere(
      at,
      below(at, y, 1),
      maskWhere(at, above(at, y, 0), scale(at, dY, floatAttribute(at.node, 'alpha', 0.2))),
    ),
  ),
  activation('HardSwish', (at, dY, x) => {
    const middle = times(at, dY, shift(at, scale(at, x, 1 / 3), 0.5));
    return choose(at, above(at, x, 3), dY, maskWhere(at, above(at, x, -3), middle));
  }),
  activation('Softplus', (at, dY, x) => times(at, dY, at.op('Sigmoid', [x]))),
  activation('Softsign', (at, dY, x) => {
    const root = shift(at, at.op('Abs', [x]), 1);
    return at.op('Div', [dY, times(at, root, root)]);
  }),
  activation('Mish', (at, dY, x) => {
    const t = at.op('Tanh', [at.op('Softplus', [x])]);
    const curve = times(at, times(at, x, oneMinus(at, times(at, t, t))), at.op('Sigmoid', [x]));
    return times(at, dY, at.op('Add', [t, curve]));
  }),
  activation('Swish', (at, dY, x, y) =>
    times(at, dY, swishSlope(at, x, y, floatAttribute(at.node, 'alpha', 1))),
  ),
  activation(
    'QuickGelu',
    (at, dY, x, y) => times(at, dY, swishSlope(at, x, y, floatAttribute(at.node, 'alpha', 1.702))),
    microsoft,
  ),
  activation('Erf', (at, dY, x) => {
    const bell = at.op('Exp', [at.op('Neg', [times(at, x, x)])]);
    return times(at, dY, scale(at, bell, 2 / Math.sqrt(Math.PI)));
  }),
  activation('Gelu', (at, dY, x) => {
    const isTanh = stringAttribute(at.node, 'approximate', 'none') === 'tanh';
    return times(at, dY, isTanh ? tanhGeluSlope(at, x) : exactGeluSlope(at, x));
  }),
  activation('Gelu', (at, dY, x) => times(at, dY, exactGeluSlope(at, x)), microsoft),
  ...(['BiasGelu', 'FastGelu'] as const).map((opType): GradientRule => ({
    opTypes: [opType],
    domain: microsoft,
    differentiable: [0, 1],
    broadcasts: true,
    backward(at) {
      const [x, bias] = at.x as [string, string?];
      const biased = bias ? at.op('Add', [x, bias]) : x;
      const slope = opType === 'BiasGelu' ? exactGeluSlope(at, biased) : tanhGeluSlope(at, biased);
      const dX = times(at, at.dY[0]!, slope);
      return new Map([0, 1].map((i) => [i, dX]));
    },
  })),
  {
    opTypes: ['PRelu'],
    differentiable: [0, 1],
    broadcasts: true,
    backward(at) {
      const [x, slope] = at.x as [string, string];
      const dY = at.dY[0]!;
      const isAbove = above(at, x, 0);
      const gradients = new Map<number, string>();
      if (at.needs(0)) gradients.set(0, choose(at, isAbove, dY, times(at, dY, slope)));
      if (at.needs(1)) gradients.set(1, choose(at, isAbove, at.scalar(0), times(at, dY, x)));
      return gradients;
    },
  },
];
