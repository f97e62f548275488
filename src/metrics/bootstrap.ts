import { createRng } from '../rng.js';

export interface Interval {
  readonly low: number;
  readonly high: number;
}

export interface BootstrapOptions {
  readonly resamples?: number;
  /** Share of the resamples inside the interval. */
  readonly confidence?: number;
  readonly seed?: number;
}

/**
 * Percentile interval of a metric by the bootstrap (Efron 1979): it is computed on rows drawn with replacement, again
 * and again.
 * @param metric - of the rows whose indices it is given; they are only lent to it
 */
export function bootstrapInterval(
  rows: number,
  metric: (drawn: Int32Array) => number,
  { resamples = 1000, confidence = 0.95, seed = 1 }: BootstrapOptions = {},
): Interval {
  if (rows === 0) return { low: Number.NaN, high: Number.NaN };
  const rng = createRng(seed);
  const drawn = new Int32Array(rows);
  const values = new Float64Array(resamples);
  for (let i = 0; i < resamples; i++) {
    for (let row = 0; row < rows; row++) drawn[row] = rng.integer(rows);
    values[i] = metric(drawn);
  }
  values.sort();
  const tail = (1 - confidence) / 2;
  return { low: quantile(values, tail), high: quantile(values, 1 - tail) };
}

/** Linear interpolation between the two sorted values around the position. */
function quantile(sorted: Float64Array, share: number): number {
  const position = share * (sorted.length - 1);
  const below = Math.floor(position);
  const above = Math.min(sorted.length - 1, below + 1);
  return sorted[below]! + (position - below) * (sorted[above]! - sorted[below]!);
}
