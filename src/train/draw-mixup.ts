/** Mixup (Zhang et al. 2018): each example of a batch is blended with another one, features and targets alike. */
import type { Rng } from '../rng.js';

export interface Mixture {
  /** Rows that the batch's rows are blended with, in the batch's own number and order changed. */
  readonly partners: Int32Array;
  /** Share that each row keeps, at least one half. */
  readonly shares: Float32Array;
}

export function drawMixture(rows: Int32Array, alpha: number, rng: Rng): Mixture {
  const partners = rng.shuffle(Int32Array.from(rows));
  const shares = Float32Array.from(rows, () => {
    const share = drawBeta(alpha, rng);
    return Math.max(share, 1 - share);
  });
  return { partners, shares };
}

/** A draw from Beta(α, α), as X / (X + Y) of two gamma variables. */
function drawBeta(alpha: number, rng: Rng): number {
  const [x, y] = [drawLogGamma(alpha, rng), drawLogGamma(alpha, rng)];
  return 1 / (1 + Math.exp(y - x));
}

/** Logarithm of a Gamma(α, 1) variable: Marsaglia & Tsang 2000, with their boost for α below 1. */
function drawLogGamma(alpha: number, rng: Rng): number {
  if (alpha < 1) return drawLogGamma(alpha + 1, rng) + Math.log(1 - rng.uniform()) / alpha;
  const d = alpha - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const x = rng.normal();
    const v = (1 + c * x) ** 3;
    if (v <= 0) continue;
    if (Math.log(1 - rng.uniform()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return Math.log(d * v);
  }
}
