/** Whether probabilities mean what they say: reliability curve and expected calibration error (Guo et al. 2017). */

export interface ReliabilityBin {
  /** Confidences in (from, to]. */
  readonly from: number;
  readonly to: number;
  readonly examples: number;
  /** Mean confidence and share of right predictions; 0 in an empty bin. */
  readonly confidence: number;
  readonly accuracy: number;
}

/** Equal bins of the probability of the predicted class. @param probabilities - [examples, classCount] */
export function reliabilityCurve(
  probabilities: Float32Array,
  labels: ArrayLike<number>,
  classCount: number,
  binCount = 15,
): ReliabilityBin[] {
  const bins = Array.from({ length: binCount }, () => ({ examples: 0, confidence: 0, right: 0 }));
  for (let row = 0; row < labels.length; row++) {
    const at = row * classCount;
    let best = 0;
    for (let c = 1; c < classCount; c++) if (probabilities[at + c]! > probabilities[at + best]!) best = c;
    const confidence = probabilities[at + best]!;
    const bin = bins[Math.min(binCount - 1, Math.max(0, Math.ceil(confidence * binCount) - 1))]!;
    bin.examples++;
    bin.confidence += confidence;
    if (best === labels[row]) bin.right++;
  }
  return bins.map(({ examples, confidence, right }, i) => ({
    from: i / binCount,
    to: (i + 1) / binCount,
    examples,
    confidence: examples > 0 ? confidence / examples : 0,
    accuracy: examples > 0 ? right / examples : 0,
  }));
}

/** Mean distance between confidence and accuracy over the bins, weighted by their examples. */
export function expectedCalibrationError(curve: readonly ReliabilityBin[]): number {
  let total = 0;
  let sum = 0;
  for (const { examples, confidence, accuracy } of curve) {
    total += examples;
    sum += examples * Math.abs(confidence - accuracy);
  }
  return total > 0 ? sum / total : 0;
}
