import type { Tensor } from '../tensor/tensor.js';

/** What is told of one parameter. */
export interface GradientCheck {
  readonly name: string;
  readonly shape: readonly number[];
  /** Elements that were compared; 0 where the time was over before, or all of them lay on kinks. */
  readonly compared: number;
  /** Elements that lay on a kink, where there is no one slope, and so were not compared. */
  readonly kinks: number;
  /** Both gradients of the element where they differ most. */
  readonly analytic: number;
  readonly numeric: number;
  /**
   * Largest difference, as a share of the largest gradient in the tensor; where that is below 1e-4 of the largest in
   * any, of that: a gradient that vanishes for mathematical reasons is nothing but the rounding of the others.
   */
  readonly maxRelativeError: number;
}

/** What it is made of. */
export interface Compared {
  readonly name: string;
  readonly shape: readonly number[];
  readonly gradient: Tensor;
  readonly elements: number[];
  /** One for each of `elements`. */
  readonly differences: number[];
  kinks: number;
}

/** @param largest - the largest difference quotient of all parameters */
export function worstDifference(
  { name, shape, elements, kinks, gradient, differences }: Compared,
  largest: number,
): GradientCheck {
  const scale = Math.max(largestOf(gradient.data), largestOf(differences), 1e-4 * largest);
  let worst = { analytic: 0, numeric: 0, error: 0 };
  elements.forEach((element, i) => {
    const [analytic, numeric] = [Number(gradient.data[element]), differences[i]!];
    const error = Math.abs(analytic - numeric);
    // Written so that NaN counts as the worst.
    if (!(error <= worst.error)) worst = { analytic, numeric, error };
  });
  const { analytic, numeric, error } = worst;
  return {
    name,
    shape,
    compared: elements.length,
    kinks,
    analytic,
    numeric,
    maxRelativeError: error === 0 ? 0 : error / scale,
  };
}

/** The largest magnitude; 0 of none. */
export function largestOf(values: Iterable<number | bigint>): number {
  let largest = 0;
  for (const value of values) largest = Math.max(largest, Math.abs(Number(value)));
  return largest;
}
