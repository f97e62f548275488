/**
 * Elementwise arithmetic. Broadcasting is undone by the driver.
 *
 *   y = a + b    da = dy        db = dy
 *   y = a - b    da = dy        db = -dy
 *   y = a * b    da = dy * b    db = dy * a
 *   y = a / b    da = dy / b    db = -dy * y / b
 *   y = -x       dx = -dy
 *   y = relu(x)  dx = dy where x > 0, else 0
 *   y = tanh(x)  dx = dy * (1 - y^2)
 */
import type { GradientRule, RuleContext } from '../gradient-rule.js';

function binary(
  opType: string,
  left: (at: RuleContext, dY: string) => string,
  right: typeof left,
): GradientRule {
  return {
    opTypes: [opType],
    differentiable: [0, 1],
    backward(at) {
      const gradients = new Map<number, string>();
      if (at.needs(0)) gradients.set(0, left(at, at.dY[0]!));
      if (at.needs(1)) gradients.set(1, right(at, at.dY[0]!));
      return gradients;
    },
  };
}

function unary(opType: string, backward: (at: RuleContext, dY: string) => string): GradientRule {
  return {
    opTypes: [opType],
    differentiable: [0],
    backward: (at) => new Map([[0, backward(at, at.dY[0]!)]]),
  };
}

const pass = (_: RuleContext, dY: string): string => dY;
const negated = (at: RuleContext, dY: string): string => at.op('Neg', [dY]);

export const elementwise: readonly GradientRule[] = [
  binary('Add', pass, pass),
  binary('Sub', pass, negated),
  binary(
    'Mul',
    (at, dY) => at.op('Mul', [dY, at.x[1]!]),
    (at, dY) => at.op('Mul', [dY, at.x[0]!]),
  ),
  binary(
    'Div',
    (at, dY) => at.op('Div', [dY, at.x[1]!]),
    (at, dY) => at.op('Neg', [at.op('Div', [at.op('Mul', [dY, at.y[0]!]), at.x[1]!])]),
  ),
  unary('Neg', negated),
  unary('Identity', pass),
  unary('Relu', (at, dY) => {
    const zero = at.builder.scalar(0);
    return at.op('Where', [at.op('Greater', [at.x[0]!, zero]), dY, zero]);
  }),
  unary('Tanh', (at, dY) => {
    const slope = at.op('Sub', [at.builder.scalar(1), at.op('Mul', [at.y[0]!, at.y[0]!])]);
    return at.op('Mul', [dY, slope]);
  }),
];
