/** Whether probabilities mean what they say: reliability curve and expected calibration error (Guo et al. 2017). */

export interface ReliabilityBin {
  /** Confidences in (from, to]. */
  readonly from: number;
  readonly to: number;
  readonly examples: number;
  /** Mean confidence and share of right predictions (of a label: share of examples that have it); 0 in an empty bin. */
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
  const rows = labels.length;
  const confidences = new Float32Array(rows);
  const isRight = new Uint8Array(rows);
  for (let row = 0; row < rows; row++) {
    const at = row * classCount;
    let best = 0;
    for (let c = 1; c < classCount; c++) if (probabilities[at + c]! > probabilities[at + best]!) best = c;
    confidences[row] = probabilities[at + best]!;
    isRight[row] = best === labels[row] ? 1 : 0;
  }
  return reliabilityOfLabel(confidences, isRight, binCount);
}

/**
 * Equal bins of the probability of one label, whether it is predicted or not.
 * @param isPresent - 0 or 1 an example
 */
export function reliabilityOfLabel(
  probabilities: Float32Array,
  isPresent: ArrayLike<number>,
  binCount = 15,
): ReliabilityBin[] {
  const bins = Array.from({ length: binCount }, () => ({ examples: 0, confidence: 0, right: 0 }));
  probabilities.forEach((probability, row) => {
    const bin = bins[Math.min(binCount - 1, Math.max(0, Math.ceil(probability * binCount) - 1))]!;
    bin.examples++;
    bin.confidence += probability;
    if (isPresent[row] === 1) bin.right++;
  });
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
