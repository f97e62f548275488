/** Trigonometric and hyperbolic functions of what float64 has: sine, cosine, exponential, logarithm and root. */
import type { Float64Form, FormContext } from './float64-form.js';
import { columnOf, integrate } from './quadrature.js';

type Function = (at: FormContext, x: string) => string;

const number = (at: FormContext, value: number): string => at.tensor([], [value]);
const exponential = (at: FormContext, x: string, sign: 1 | -1): string =>
  at.op('Exp', [at.op('Mul', [x, number(at, sign)])]);
const half = (at: FormContext, x: string): string => at.op('Mul', [x, number(at, 0.5)]);

/** x² + shift */
function squarePlus(at: FormContext, x: string, shift: number): string {
  return at.op('Add', [at.op('Mul', [x, x]), number(at, shift)]);
}

/** log(x + √(x² + shift)) */
function logarithmic(shift: 1 | -1): Function {
  return (at, x) => at.op('Log', [at.op('Add', [x, at.op('Sqrt', [squarePlus(at, x, shift)])])]);
}

/** x ∫₀¹ ds / (1 + x²s²) */
const arcTangent: Function = (at, x) => {
  const column = columnOf(at, x);
  const squares = at.op('Mul', [column, column]);
  const mean = integrate(at, x, 48, (points) => {
    const s = at.tensor(
      [1, points.length],
      points.map((point) => point * point),
    );
    return at.op('Reciprocal', [at.op('Add', [at.op('Mul', [squares, s]), number(at, 1)])]);
  });
  return at.op('Mul', [x, mean]);
};

/** arctan(x / √(1 − x²)) */
const arcSine: Function = (at, x) => {
  const root = at.op('Sqrt', [at.op('Sub', [number(at, 1), at.op('Mul', [x, x])])]);
  return arcTangent(at, at.op('Div', [x, root]));
};

const functions: Readonly<Record<string, Function>> = {
  Tan: (at, x) => at.op('Div', [at.op('Sin', [x]), at.op('Cos', [x])]),
  Sinh: (at, x) => half(at, at.op('Sub', [exponential(at, x, 1), exponential(at, x, -1)])),
  Cosh: (at, x) => half(at, at.op('Add', [exponential(at, x, 1), exponential(at, x, -1)])),
  Atan: arcTangent,
  Asin: arcSine,
  Acos: (at, x) => at.op('Sub', [number(at, Math.PI / 2), arcSine(at, x)]),
  Asinh: logarithmic(1),
  Acosh: logarithmic(-1),
  Atanh: (at, x) => {
    const [over, under] = [at.op('Add', [number(at, 1), x]), at.op('Sub', [number(at, 1), x])];
    return half(at, at.op('Log', [at.op('Div', [over, under])]));
  },
};

export const trigonometryForms: readonly (readonly [string, Float64Form])[] = Object.entries(functions).map(
  ([opType, of]) => [opType, (at: FormContext) => of(at, at.x[0]!)] as const,
);
