/**
 * Elementwise arithmetic. Broadcasting is undone by the driver.
 *
 *   y = a + b     da = dy               db = dy
 *   y = a - b     da = dy               db = -dy
 *   y = a · b     da = dy · b           db = dy · a
 *   y = a / b     da = dy / b           db = -dy · y / b
 *   y = x^p       dx = dy · p x^(p-1)   dp = dy · y log x, 0 where x ≤ 0
 *   y = √x        dx = dy / 2y
 *   y = eˣ        dx = dy · y
 *   y = log x     dx = dy / x
 *   y = 1 / x     dx = -dy · y²
 *   y = |x|       dx = dy · sign x
 *   y = a mod b   da = dy               db = -dy · ⌊a / b⌋, towards zero
 *   y = max(x₁…)  dxᵢ = dy where xᵢ = y, shared equally by all that are
 *   y = clip(x)   dx = dy strictly between the bounds, which are no parameters
 */
import { floatAttribute } from '../../onnx/attributes.js';
import { dtypeInfo } from '../../tensor/dtype.js';
import { choose, equalsBound, keepWhere, maskWhere, zerosLike } from '../append.js';
import type { GradientRule, RuleContext } from '../gradient-rule.js';

type Backward = (at: RuleContext, dY: string) => string;

function binary(opType: string, left: Backward, right: Backward): GradientRule {
  return {
    opTypes: [opType],
    differentiable: [0, 1],
    broadcasts: true,
    backward(at) {
      const gradients = new Map<number, string>();
      if (at.needs(0)) gradients.set(0, left(at, at.dY[0]!));
      if (at.needs(1)) gradients.set(1, right(at, at.dY[0]!));
      return gradients;
    },
  };
}

function unary(opType: string, backward: Backward): GradientRule {
  return {
    opTypes: [opType],
    differentiable: [0],
    backward: (at) => new Map([[0, backward(at, at.dY[0]!)]]),
  };
}

function variadic(
  opType: string,
  backward: (at: RuleContext, dY: string) => (i: number) => string,
): GradientRule {
  return {
    opTypes: [opType],
    differentiable: 'all',
    broadcasts: true,
    backward(at) {
      const of = backward(at, at.dY[0]!);
      const needed = at.x.map((_, i) => i).filter((i) => at.needs(i));
      return new Map(needed.map((i) => [i, of(i)]));
    },
  };
}

const pass: Backward = (_, dY) => dY;
const negated: Backward = (at, dY) => at.op('Neg', [dY]);
const times = (at: RuleContext, a: string, b: string): string => at.op('Mul', [a, b]);

const extremum: Parameters<typeof variadic>[1] = (at, dY) => {
  if (at.x.length === 1) return () => dY;
  const to = dtypeInfo(at.dtypeOf(at.y[0]!)).code;
  const isMax = at.node.opType === 'Max';
  const shares = at.x.map((x) => {
    const isExtremum = isMax ? equalsBound(at, x, at.y[0]!) : equalsBound(at, at.y[0]!, x);
    return at.op('Cast', [isExtremum], { to });
  });
  const count = shares.reduce((sum, share) => at.op('Add', [sum, share]));
  const share = at.op('Div', [dY, count]);
  return (i) => times(at, share, shares[i]!);
};

/** dx of x^p; the few powers that models hold are written without Pow. */
const powerBase: Backward = (at, dY) => {
  const [x, exponent] = at.x as [string, string];
  const constant = at.constantOf(exponent);
  const power =
    constant?.data.length === 1 && !/16$/.test(constant.dtype) ? Number(constant.data[0]) : undefined;
  if (power === 0) return zerosLike(at, at.y[0]!);
  if (power === 1) return dY;
  if (power === 2) return times(at, dY, times(at, x, at.scalar(2)));
  if (power === 0.5) return at.op('Div', [times(at, dY, at.scalar(0.5)), at.y[0]!]);
  if (power !== undefined) {
    return times(at, dY, times(at, at.op('Pow', [x, at.scalar(power - 1)]), at.scalar(power)));
  }
  // The exponent may be of another type, an integer for one.
  const to = dtypeInfo(at.dtypeOf(at.y[0]!)).code;
  const p = at.op('Cast', [exponent], { to });
  // 1, but for an exponent of 0, whose slope is 0 at x = 0 too: 0 · x⁰ and not 0 · x⁻¹.
  const isPower = at.op('Cast', [at.op('Cast', [p], { to: dtypeInfo('bool').code })], { to });
  const slope = times(at, p, at.op('Pow', [x, at.op('Sub', [p, isPower])]));
  return times(at, dY, slope);
};

const powerExponent: Backward = (at, dY) => {
  const [x] = at.x as [string];
  const zero = at.scalar(0);
  // log 1 = 0 stands in where there is no logarithm.
  const safe = choose(at, at.op('Greater', [x, zero]), x, at.scalar(1));
  return times(at, dY, times(at, at.y[0]!, at.op('Log', [safe])));
};

const clip: Backward = (at, dY) => {
  const x = at.x[0]!;
  // An input that is left out may be named ''.
  let [low, high] = [at.x[1] || undefined, at.x[2] || undefined];
  if (at.opset < 11) {
    if (at.node.attributes.has('min')) low = at.scalar(floatAttribute(at.node, 'min', 0));
    if (at.node.attributes.has('max')) high = at.scalar(floatAttribute(at.node, 'max', 0));
  }
  const below = high && at.op('Less', [x, high]);
  const above = low && at.op('Greater', [x, low]);
  const isBetween = below && above ? at.op('And', [below, above]) : (below ?? above);
  return isBetween ? maskWhere(at, isBetween, dY) : dY;
};

export const elementwise: readonly GradientRule[] = [
  binary('Add', pass, pass),
  binary('Sub', pass, negated),
  binary(
    'Mul',
    (at, dY) => times(at, dY, at.x[1]!),
    (at, dY) => times(at, dY, at.x[0]!),
  ),
  binary(
    'Div',
    (at, dY) => at.op('Div', [dY, at.x[1]!]),
    (at, dY) => negated(at, at.op('Div', [times(at, dY, at.y[0]!), at.x[1]!])),
  ),
  binary('Pow', powerBase, powerExponent),
  // Only fmod has floats in ONNX: a − b · trunc(a / b).
  binary('Mod', pass, (at, dY) => {
    const whole = at.op('Div', [at.op('Sub', [at.x[0]!, at.y[0]!]), at.x[1]!]);
    return negated(at, times(at, dY, at.op('Floor', [at.op('Add', [whole, at.scalar(0.5)])])));
  }),
  variadic('Sum', (_, dY) => () => dY),
  variadic('Mean', (at, dY) => {
    const share = times(at, dY, at.scalar(1 / at.x.length));
    return () => share;
  }),
  variadic('Max', extremum),
  variadic('Min', extremum),
  unary('Neg', negated),
  unary('Sqrt', (at, dY) => at.op('Div', [times(at, dY, at.scalar(0.5)), at.y[0]!])),
  unary('Exp', (at, dY) => times(at, dY, at.y[0]!)),
  unary('Log', (at, dY) => at.op('Div', [dY, at.x[0]!])),
  unary('Reciprocal', (at, dY) => negated(at, times(at, dY, times(at, at.y[0]!, at.y[0]!)))),
  unary('Abs', (at, dY) => {
    const zero = at.scalar(0);
    const below = keepWhere(at, at.op('Less', [at.x[0]!, zero]), negated(at, dY));
    return choose(at, at.op('Greater', [at.x[0]!, zero]), dY, below);
  }),
  unary('Clip', clip),
  {
    opTypes: ['Where'],
    differentiable: [1, 2],
    broadcasts: true,
    backward(at) {
      const [condition] = at.x as [string];
      const [dY, zero] = [at.dY[0]!, at.scalar(0)];
      const gradients = new Map<number, string>();
      if (at.needs(1)) gradients.set(1, at.op('Where', [condition, dY, zero]));
      if (at.needs(2)) gradients.set(2, at.op('Where', [condition, zero, dY]));
      return gradients;
    },
  },
];
