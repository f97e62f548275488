/** Metrics of predicted numbers, as scikit-learn defines them. */

export interface RegressionMetrics {
  readonly examples: number;
  /** 1 - squared error / variance: 1 is perfect, 0 no better than the mean; null for fewer than two examples. */
  readonly r2: number | null;
  /** Mean absolute error. */
  readonly mae: number;
  /** Root of the mean squared error. */
  readonly rmse: number;
}

/** Where all targets are equal, r2 is 1 for a perfect prediction and 0 for any other. The others are NaN without examples. */
export function regressionMetrics(
  predicted: ArrayLike<number>,
  targets: ArrayLike<number>,
): RegressionMetrics {
  const examples = targets.length;
  let sum = 0;
  for (let i = 0; i < examples; i++) sum += targets[i]!;
  // Divided once: of equal targets it is their value, to the last bit, and the spread 0.
  const mean = sum / examples;
  let absolute = 0;
  let squared = 0;
  let spread = 0;
  for (let i = 0; i < examples; i++) {
    const error = predicted[i]! - targets[i]!;
    absolute += Math.abs(error);
    squared += error * error;
    spread += (targets[i]! - mean) ** 2;
  }
  const r2 = spread > 0 ? 1 - squared / spread : squared === 0 ? 1 : 0;
  return {
    examples,
    r2: examples > 1 ? r2 : null,
    mae: absolute / examples,
    rmse: Math.sqrt(squared / examples),
  };
}
