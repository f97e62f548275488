/** Metrics of tables of yes-or-no decisions, as scikit-learn defines them for indicator matrices. */
export interface LabelMetrics {
  readonly examples: number;
  /** Share of examples all of whose labels are right. */
  readonly accuracy: number;
  /** Share of single decisions that are right. */
  readonly decisionAccuracy: number;
  readonly macroF1: number;
  readonly microF1: number;
  /** Cross-entropy in nats, summed over the labels, mean over the examples; probabilities clipped at 1e-15. */
  readonly loss: number;
  readonly perLabel: readonly {
    readonly precision: number;
    readonly recall: number;
    readonly f1: number;
    readonly support: number;
  }[];
  /** confusion[label]: examples as [[true negatives, false positives], [false negatives, true positives]]. */
  readonly confusion: readonly (readonly [readonly [number, number], readonly [number, number]])[];
}

/** Counts decisions on examples that come in parts. */
export function openLabelCounter(labels: number) {
  const hits = new Float64Array(labels);
  const predicted = new Float64Array(labels);
  const support = new Float64Array(labels);
  let examples = 0;
  let wholeRows = 0;
  let right = 0;
  let loss = 0;
  return {
    /**
     * @param probabilities - [rows.length, labels]; a label counts as predicted from 0.5
     * @param targets - 0 or 1, [.., labels], of which `rows` are meant
     */
    add(probabilities: Float32Array, targets: Float32Array, rows: ArrayLike<number>): void {
      examples += rows.length;
      for (let row = 0; row < rows.length; row++) {
        const from = rows[row]! * labels;
        let wrong = 0;
        for (let c = 0; c < labels; c++) {
          const p = probabilities[row * labels + c]!;
          const isPresent = targets[from + c]! > 0.5;
          const isPredicted = p >= 0.5;
          if (isPresent) support[c]!++;
          if (isPredicted) predicted[c]!++;
          if (isPresent && isPredicted) hits[c]!++;
          if (isPresent !== isPredicted) wrong++;
          loss -= Math.log(Math.max(1e-15, isPresent ? p : 1 - p));
        }
        right += labels - wrong;
        if (wrong === 0) wholeRows++;
      }
    },
    metrics(): LabelMetrics {
      const share = (part: number, whole: number): number => (whole > 0 ? part / whole : 0);
      const total = (values: Float64Array): number => values.reduce((a, b) => a + b, 0);
      const perLabel = Array.from({ length: labels }, (_, c) => ({
        precision: share(hits[c]!, predicted[c]!),
        recall: share(hits[c]!, support[c]!),
        f1: share(2 * hits[c]!, predicted[c]! + support[c]!),
        support: support[c]!,
      }));
      return {
        examples,
        accuracy: share(wholeRows, examples),
        decisionAccuracy: share(right, examples * labels),
        macroF1: perLabel.reduce((sum, { f1 }) => sum + f1, 0) / labels,
        microF1: share(2 * total(hits), total(predicted) + total(support)),
        loss: share(loss, examples),
        perLabel,
        confusion: perLabel.map((_, c) => [
          [examples - support[c]! - predicted[c]! + hits[c]!, predicted[c]! - hits[c]!],
          [support[c]! - hits[c]!, hits[c]!],
        ]),
      };
    },
  };
}

/** @param probabilities - and `targets`: [examples, labels] */
export function measureLabels(
  probabilities: Float32Array,
  targets: Float32Array,
  labels: number,
): LabelMetrics {
  const counter = openLabelCounter(labels);
  counter.add(
    probabilities,
    targets,
    Array.from({ length: targets.length / labels }, (_, row) => row),
  );
  return counter.metrics();
}
