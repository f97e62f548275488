/**
 * Reductions over axes; dy and y stand for themselves with the reduced axes back as ones.
 *
 *   Σ x          dx = dy                      Σ x²          dx = 2 x dy
 *   mean x       dx = dy / count              √Σ x²         dx = x dy / y, 0 where y = 0
 *   max, min     dx = dy where x = y, shared  Σ |x|         dx = sign(x) dy
 *   log Σ eˣ     dx = exp(x − y) dy           log Σ x       dx = dy / exp(y)
 *   Π x          dx = dy · the product of the others, also where factors are zero
 */
import { intAttribute, intsAttribute } from '../../onnx/attributes.js';
import { dtypeInfo } from '../../tensor/dtype.js';
import { positiveAxis } from '../../tensor/shape.js';
import { choose, equalsBound, expandLike, keepWhere, meanShare, unsqueeze } from '../append.js';
import type { GradientRule, RuleContext } from '../gradient-rule.js';
import { GraftError } from '../../errors.js';
import { reduceSum } from '../unbroadcast.js';

/** @param backward - gets the output's gradient with the reduced axes as ones, and `restore` for the output itself */
function reduction(
  opType: string,
  backward: (
    at: RuleContext,
    dY: string,
    restore: (value: string) => string,
    axes: readonly number[],
  ) => string,
): GradientRule {
  return {
    opTypes: [opType],
    differentiable: [0],
    backward(at) {
      const axes = reducedAxes(at);
      const restore = (value: string): string => withAxes(at, value, axes);
      return new Map([[0, backward(at, restore(at.dY[0]!), restore, axes)]]);
    },
  };
}

/** From the attribute, the constant input, or else from where input and output differ. */
function reducedAxes(at: RuleContext): number[] {
  const rank = at.shapeOf(at.x[0]!).length;
  const all = Array.from({ length: rank }, (_, axis) => axis);
  const given = intsAttribute(at.node, 'axes');
  const input = at.x[1];
  const constant = at.constantOf(input);
  const axes = given ?? (constant ? Array.from(constant.data, Number) : undefined);
  if (axes !== undefined && axes.length > 0)
    return axes.map((axis) => positiveAxis(axis, rank)).sort((a, b) => a - b);
  if (axes !== undefined || !input) return intAttribute(at.node, 'noop_with_empty_axes', 0) === 1 ? [] : all;
  const reduced = at.shapeOf(at.y[0]!);
  if (reduced.length === rank) {
    const shape = at.shapeOf(at.x[0]!);
    return all.filter((axis) => shape[axis] !== reduced[axis]);
  }
  throw new GraftError(
    'NO_GRADIENT_RULE',
    `The axes of ${at.node.opType} "${at.node.name || at.y[0]}" are computed; only constant axes can be differentiated where keepdims is 0.`,
  );
}

function withAxes(at: RuleContext, value: string, axes: readonly number[]): string {
  const isScalar = at.shapeOf(at.y[0]!).length === 0;
  // A scalar goes with any shape as it is.
  return intAttribute(at.node, 'keepdims', 1) === 1 || isScalar ? value : unsqueeze(at, value, axes);
}

const times = (at: RuleContext, a: string, b: string): string => at.op('Mul', [a, b]);

const extremum: Parameters<typeof reduction>[1] = (at, dY, restore, axes) => {
  const [x, y] = [at.x[0]!, restore(at.y[0]!)];
  const isExtremum = at.node.opType === 'ReduceMax' ? equalsBound(at, x, y) : equalsBound(at, y, x);
  const mask = at.op('Cast', [isExtremum], { to: dtypeInfo(at.dtypeOf(x)).code });
  const count = reduceSum(at, mask, axes, 1);
  return times(at, mask, at.op('Div', [dY, count]));
};

const product: Parameters<typeof reduction>[1] = (at, dY, _, axes) => {
  const x = at.x[0]!;
  const to = dtypeInfo(at.dtypeOf(x)).code;
  const isNonzero = at.op('Cast', [at.op('Abs', [x])], { to: dtypeInfo('bool').code });
  const others = choose(at, isNonzero, x, at.scalar(1));
  if (axes.length === 0) return dY;
  const whole =
    at.opset < 18
      ? at.op('ReduceProd', [others], { axes, keepdims: 1 })
      : at.op('ReduceProd', [others, at.builder.ints(axes)], { keepdims: 1 });
  const isZero = at.op('Cast', [at.op('Not', [isNonzero])], { to });
  const zeros = reduceSum(at, isZero, axes, 1);
  // A zero has the product of the rest; anything else has it only where no zero is left beside it.
  const remaining = at.op('Sub', [zeros, isZero]);
  const quotient = at.op('Div', [whole, others]);
  const slope = keepWhere(at, at.op('Less', [remaining, at.scalar(0.5)]), quotient);
  return times(at, dY, slope);
};

export const reductions: readonly GradientRule[] = [
  reduction('ReduceSum', (at, dY) => expandLike(at, dY, at.x[0]!)),
  reduction('ReduceMean', (at, dY) => expandLike(at, times(at, dY, meanShare(at)), at.x[0]!)),
  reduction('ReduceMax', extremum),
  reduction('ReduceMin', extremum),
  reduction('ReduceProd', product),
  reduction('ReduceSumSquare', (at, dY) => times(at, dY, times(at, at.x[0]!, at.scalar(2)))),
  reduction('ReduceL2', (at, dY, restore) => {
    const y = restore(at.y[0]!);
    const safe = choose(at, at.op('Greater', [y, at.scalar(0)]), y, at.scalar(1));
    return times(at, at.x[0]!, at.op('Div', [dY, safe]));
  }),
  reduction('ReduceL1', (at, dY) => {
    const zero = at.scalar(0);
    const wide = expandLike(at, dY, at.x[0]!);
    const below = keepWhere(at, at.op('Less', [at.x[0]!, zero]), at.op('Neg', [wide]));
    return choose(at, at.op('Greater', [at.x[0]!, zero]), wide, below);
  }),
  reduction('ReduceLogSum', (at, dY, restore) =>
    expandLike(at, at.op('Div', [dY, at.op('Exp', [restore(at.y[0]!)])]), at.x[0]!),
  ),
  reduction('ReduceLogSumExp', (at, dY, restore) =>
    times(at, dY, at.op('Exp', [at.op('Sub', [at.x[0]!, restore(at.y[0]!)])])),
  ),
];
