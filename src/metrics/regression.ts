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

/**
 * Measures predictions of one number that come one by one. Where all targets are equal, r2 is 1 for perfect predictions and 0 for any
 * others. The other figures are NaN without examples.
 */
export function openNumberMeter() {
  let examples = 0;
  let absolute = 0;
  let squared = 0;
  // Welford 1962: of equal targets the mean is their value, to the last bit, and the spread 0.
  let mean = 0;
  let spread = 0;
  return {
    add(predicted: number, target: number): void {
      const error = predicted - target;
      absolute += Math.abs(error);
      squared += error * error;
      const apart = target - mean;
      mean += apart / ++examples;
      spread += apart * (target - mean);
    },
    metrics(): RegressionMetrics {
      const r2 = spread > 0 ? 1 - squared / spread : squared === 0 ? 1 : 0;
      return {
        examples,
        r2: examples > 1 ? r2 : null,
        mae: absolute / examples,
        rmse: Math.sqrt(squared / examples),
      };
    },
  };
}

export function regressionMetrics(
  predicted: ArrayLike<number>,
  targets: ArrayLike<number>,
): RegressionMetrics {
  const meter = openNumberMeter();
  for (let i = 0; i < targets.length; i++) meter.add(predicted[i]!, targets[i]!);
  return meter.metrics();
}
