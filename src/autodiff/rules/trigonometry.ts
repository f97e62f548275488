/**
 * Trigonometric and hyperbolic functions and their inverses: dx = dy · slope.
 *
 *   sin    cos x             cos    −sin x             tan    1 + y²
 *   sinh   cosh x            cosh   sinh x
 *   asin   1 / √(1 − x²)     acos   −1 / √(1 − x²)     atan   1 / (1 + x²)
 *   asinh  1 / √(x² + 1)     acosh  1 / √(x² − 1)      atanh  1 / (1 − x²)
 */
import type { GradientRule, RuleContext } from '../gradient-rule.js';

type Slope = (at: RuleContext, x: string, y: string) => string;

const square = (at: RuleContext, x: string): string => at.op('Mul', [x, x]);
const plusOne = (at: RuleContext, x: string): string => at.op('Add', [x, at.scalar(1)]);
const oneMinus = (at: RuleContext, x: string): string => at.op('Sub', [at.scalar(1), x]);
const negated = (at: RuleContext, x: string): string => at.op('Neg', [x]);
const inverse = (at: RuleContext, x: string): string => at.op('Reciprocal', [x]);
const inverseRoot = (at: RuleContext, x: string): string => inverse(at, at.op('Sqrt', [x]));

/** Of eˣ and e⁻ˣ, which every opset and device knows. */
function hyperbolic(opType: 'Add' | 'Sub'): Slope {
  return (at, x) => {
    const sum = at.op(opType, [at.op('Exp', [x]), at.op('Exp', [negated(at, x)])]);
    return at.op('Mul', [sum, at.scalar(0.5)]);
  };
}

const slopes: Readonly<Record<string, Slope>> = {
  Sin: (at, x) => at.op('Cos', [x]),
  Cos: (at, x) => negated(at, at.op('Sin', [x])),
  Tan: (at, _, y) => plusOne(at, square(at, y)),
  Sinh: hyperbolic('Add'),
  Cosh: hyperbolic('Sub'),
  Asin: (at, x) => inverseRoot(at, oneMinus(at, square(at, x))),
  Acos: (at, x) => negated(at, inverseRoot(at, oneMinus(at, square(at, x)))),
  Atan: (at, x) => inverse(at, plusOne(at, square(at, x))),
  Asinh: (at, x) => inverseRoot(at, plusOne(at, square(at, x))),
  Acosh: (at, x) => inverseRoot(at, at.op('Sub', [square(at, x), at.scalar(1)])),
  Atanh: (at, x) => inverse(at, oneMinus(at, square(at, x))),
};

export const trigonometry: readonly GradientRule[] = Object.entries(slopes).map(
  ([opType, slope]): GradientRule => ({
    opTypes: [opType],
    differentiable: [0],
    backward: (at) => new Map([[0, at.op('Mul', [at.dY[0]!, slope(at, at.x[0]!, at.y[0]!)])]]),
  }),
);
