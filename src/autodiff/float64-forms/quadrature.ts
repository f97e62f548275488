/** Integrals over [0, 1] by Gauss and Legendre's rule, as nodes. */
import type { FormContext } from './float64-form.js';

/**
 * ∫₀¹ f(s) ds, where f differs from one element of `shaped` to the next; in its shape.
 * @param integrand - gives f [n, points] at the points s
 */
export function integrate(
  at: FormContext,
  shaped: string,
  pointCount: number,
  integrand: (points: readonly number[]) => string,
): string {
  const { points, weights } = gaussLegendre(pointCount);
  const values = integrand(points);
  const integral = at.op('MatMul', [values, at.tensor([pointCount, 1], weights)]);
  return at.op('Reshape', [integral, at.op('Shape', [shaped])]);
}

/** The elements as a column [n, 1]. */
export function columnOf(at: FormContext, x: string): string {
  return at.op('Reshape', [x, at.builder.ints([-1, 1])]);
}

/** Points and weights on [0, 1]: Newton's iteration on the Legendre polynomials' three-term recurrence. */
export function gaussLegendre(count: number): { readonly points: number[]; readonly weights: number[] } {
  const points: number[] = [];
  const weights: number[] = [];
  for (let i = 0; i < count; i++) {
    let x = Math.cos((Math.PI * (i + 0.75)) / (count + 0.5));
    let slope = 0;
    for (let step = 0; step < 50; step++) {
      let [previous, current] = [1, x];
      for (let k = 2; k <= count; k++)
        [previous, current] = [current, ((2 * k - 1) * x * current - (k - 1) * previous) / k];
      slope = (count * (x * current - previous)) / (x * x - 1);
      const change = current / slope;
      x -= change;
      if (Math.abs(change) < 1e-16) break;
    }
    points.push((1 + x) / 2);
    weights.push(1 / ((1 - x * x) * slope * slope));
  }
  return { points, weights };
}
