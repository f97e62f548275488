/** Metrics of class probabilities against labels, defined as scikit-learn defines them. */

export interface ClassMetrics {
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
  /** Examples whose label is this class. */
  readonly support: number;
}

export interface ClassificationMetrics {
  readonly examples: number;
  readonly accuracy: number;
  /** Mean F1 over the classes that occur among labels or predictions. */
  readonly macroF1: number;
  /** Mean cross-entropy in nats, probabilities clipped at 1e-15. */
  readonly loss: number;
  /** Expected calibration error over 15 equal bins of confidence (Guo et al. 2017). */
  readonly ece: number;
  readonly perClass: readonly ClassMetrics[];
  /** confusion[label][prediction] */
  readonly confusion: readonly (readonly number[])[];
}

const bins = 15;

/** @param probabilities - [examples, classCount] row-major */
export function classificationMetrics(
  probabilities: Float32Array,
  labels: ArrayLike<number>,
  classCount: number,
): ClassificationMetrics {
  const examples = labels.length;
  const confusion = Array.from({ length: classCount }, () => new Array<number>(classCount).fill(0));
  const bin = Array.from({ length: bins }, () => ({ count: 0, confidence: 0, right: 0 }));
  let loss = 0;
  let right = 0;
  for (let row = 0; row < examples; row++) {
    const at = row * classCount;
    let best = 0;
    for (let c = 1; c < classCount; c++) if (probabilities[at + c]! > probabilities[at + best]!) best = c;
    const label = labels[row]!;
    const confidence = probabilities[at + best]!;
    confusion[label]![best]!++;
    const isRight = best === label ? 1 : 0;
    right += isRight;
    loss -= Math.log(Math.max(1e-15, probabilities[at + label]!));
    const into = bin[Math.min(bins - 1, Math.max(0, Math.ceil(confidence * bins) - 1))]!;
    into.count++;
    into.confidence += confidence;
    into.right += isRight;
  }
  const perClass = confusion.map((row, c): ClassMetrics => {
    const hits = row[c]!;
    const support = row.reduce((a, b) => a + b, 0);
    const predicted = confusion.reduce((sum, other) => sum + other[c]!, 0);
    return {
      precision: predicted > 0 ? hits / predicted : 0,
      recall: support > 0 ? hits / support : 0,
      f1: support + predicted > 0 ? (2 * hits) / (support + predicted) : 0,
      support,
    };
  });
  const present = perClass.filter(({ support }, c) => support > 0 || confusion.some((row) => row[c]! > 0));
  return {
    examples,
    accuracy: examples > 0 ? right / examples : 0,
    macroF1: present.reduce((sum, { f1 }) => sum + f1, 0) / Math.max(1, present.length),
    loss: examples > 0 ? loss / examples : 0,
    ece:
      bin.reduce((sum, { confidence, right: hits }) => sum + Math.abs(confidence - hits), 0) /
      Math.max(1, examples),
    perClass,
    confusion,
  };
}
