/** Triangular factors of a symmetric positive definite matrix, in float64; matrices are row-major. */
import { dotRange } from './vector.js';

export interface CholeskyFactor {
  /** Lower triangle L with A = L Lᵀ, [n, n]; zero above the diagonal. */
  readonly lower: Float64Array;
  /** L⁻¹, lower too. */
  readonly inverse: Float64Array;
}

/**
 * n³/3 + n³/6 multiplications, along rows.
 * @param a - [n, n], of which the lower triangle is read
 * @returns undefined where rounding leaves the matrix not positive definite
 */
export function factorize(a: Float64Array, n: number): CholeskyFactor | undefined {
  const lower = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < i; j++) {
      lower[i * n + j] = (a[i * n + j]! - dotRange(lower, i * n, lower, j * n, j)) / lower[j * n + j]!;
    }
    const pivot = a[i * n + i]! - dotRange(lower, i * n, lower, i * n, i);
    if (!(pivot > 0)) return undefined;
    lower[i * n + i] = Math.sqrt(pivot);
  }
  const inverse = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    const row = inverse.subarray(i * n, i * n + i + 1);
    for (let k = 0; k < i; k++) {
      const factor = lower[i * n + k]!;
      for (let j = 0, at = k * n; j <= k; j++, at++) row[j]! -= factor * inverse[at]!;
    }
    row[i] = 1;
    for (let j = 0; j <= i; j++) row[j]! /= lower[i * n + i]!;
  }
  return { lower, inverse };
}
