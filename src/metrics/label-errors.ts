/** Labels that are probably wrong, judged by predictions of models that were not trained on them. */

export interface HeldOutPredictions {
  /** Class of each example. */
  readonly labels: Int32Array;
  /** The most probable class. */
  readonly predictions: Int32Array;
  /** Probability of the predicted class. */
  readonly confidence: Float32Array;
  /** Probability of the label. */
  readonly labelProbability: Float32Array;
}

export function emptyPredictions(labels: Int32Array): HeldOutPredictions {
  return {
    labels,
    predictions: new Int32Array(labels.length),
    confidence: new Float32Array(labels.length),
    labelProbability: new Float32Array(labels.length),
  };
}

/** @param outputs - probabilities of the examples `rows`, [rows, classes] */
export function fillPredictions(
  { labels, predictions, confidence, labelProbability }: HeldOutPredictions,
  rows: ArrayLike<number>,
  outputs: Float32Array,
): void {
  const classes = outputs.length / rows.length;
  for (let i = 0; i < rows.length; i++) {
    const at = i * classes;
    let best = 0;
    for (let c = 1; c < classes; c++) if (outputs[at + c]! > outputs[at + best]!) best = c;
    const row = rows[i]!;
    predictions[row] = best;
    confidence[row] = outputs[at + best]!;
    labelProbability[row] = outputs[at + labels[row]!]!;
  }
}

/**
 * Confident learning (Northcutt, Jiang and Chuang, JAIR 70, 2021): a class is confidently predicted where its probability is
 * at least the mean that it has over the examples labelled with it. An example whose most probable class is confidently
 * predicted and not its label is one whose label is probably wrong. (Where a less probable class alone reaches its mean, the
 * paper counts that one; here such an example is passed over.)
 * @returns rows, those with the largest difference between the two probabilities first
 */
export function findLabelErrors(
  { labels, predictions, confidence, labelProbability }: HeldOutPredictions,
  classCount: number,
): number[] {
  const sums = new Float64Array(classCount);
  const counts = new Int32Array(classCount);
  for (const [row, label] of labels.entries()) {
    sums[label]! += labelProbability[row]!;
    counts[label]!++;
  }
  // Of a class without examples NaN, which nothing reaches.
  const usual = sums.map((sum, label) => sum / counts[label]!);
  const margin = (row: number): number => confidence[row]! - labelProbability[row]!;
  return Array.from(labels.keys())
    .filter((row) => predictions[row] !== labels[row] && confidence[row]! >= usual[predictions[row]!]!)
    .sort((a, b) => margin(b) - margin(a) || a - b);
}
