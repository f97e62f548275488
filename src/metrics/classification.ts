/** Metrics of class probabilities against labels, defined as scikit-learn defines them. */
import { bootstrapIntervals, type Interval } from './bootstrap.js';
import { expectedCalibrationError, type ReliabilityBin, reliabilityCurve } from './calibration.js';
import { cellsOf, type Confusion, countConfusion, supportOf } from './confusion.js';
import { rankClasses } from './ranking.js';

/** 95 % intervals by the bootstrap; null where there are no examples. */
export interface ClassificationIntervals {
  readonly accuracy: Interval;
  readonly macroF1: Interval;
  readonly loss: Interval;
}

export interface ClassMetrics {
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
  /** Examples whose label is this class. */
  readonly support: number;
}

/** What training looks at after every epoch. */
export interface ClassFigures {
  readonly examples: number;
  readonly accuracy: number;
  /** Mean F1 over the classes that occur among labels or predictions. */
  readonly macroF1: number;
  /** Mean cross-entropy in nats, probabilities clipped at 1e-15. */
  readonly loss: number;
  /** Mean distance between label and prediction, of classes in an order. */
  readonly meanSteps: number;
}

export interface ClassificationMetrics extends ClassFigures {
  readonly perClass: readonly ClassMetrics[];
  readonly confusion: Confusion;
  readonly intervals: ClassificationIntervals | null;
  /** Mean recall over the classes that have examples. */
  readonly balancedAccuracy: number;
  /** Of all decisions together; with one label an example it is the accuracy. */
  readonly microF1: number;
  /** Share of examples whose label is among the three, the five highest scores; null where there are no more classes than that. */
  readonly top3: number | null;
  readonly top5: number | null;
  /** Mean over the classes, one against the rest; null where no class has both kinds. */
  readonly rocAuc: number | null;
  readonly averagePrecision: number | null;
  /** Expected calibration error over the bins of `reliability`. */
  readonly ece: number;
  readonly reliability: readonly ReliabilityBin[];
}

/** Counts what is predicted of examples that come in parts, with a few numbers for each class. */
export function openClassCounter(classCount: number) {
  const hits = new Float64Array(classCount);
  /** Labels and predictions of a class together: F1 = 2 · hits / (support + predicted). */
  const named = new Float64Array(classCount);
  let examples = 0;
  let right = 0;
  let steps = 0;
  let loss = 0;
  const share = (sum: number): number => (examples > 0 ? sum / examples : 0);
  return {
    /**
     * @param probabilities - [labels.length, classCount] row-major
     * @param predicted - the best class of each row, where it is known
     */
    add(
      probabilities: Float32Array,
      labels: ArrayLike<number>,
      predicted = predictedClasses(probabilities, labels.length, classCount),
    ): void {
      examples += labels.length;
      for (let row = 0; row < labels.length; row++) {
        const label = labels[row]!;
        const best = predicted[row]!;
        named[label]!++;
        named[best]!++;
        if (best === label) {
          hits[label]!++;
          right++;
        }
        steps += Math.abs(best - label);
        loss -= Math.log(Math.max(1e-15, probabilities[row * classCount + label]!));
      }
    },
    figures(): ClassFigures {
      let f1 = 0;
      let present = 0;
      for (let c = 0; c < classCount; c++) {
        if (named[c] === 0) continue;
        f1 += (2 * hits[c]!) / named[c]!;
        present++;
      }
      const macroF1 = f1 / Math.max(1, present);
      return { examples, accuracy: share(right), macroF1, loss: share(loss), meanSteps: share(steps) };
    },
  };
}

/**
 * @param probabilities - [examples, classCount] row-major
 * @param groups - of each row, where rows of one group are alike
 */
export function classificationMetrics(
  probabilities: Float32Array,
  labels: ArrayLike<number>,
  classCount: number,
  groups?: Int32Array,
): ClassificationMetrics {
  const counter = openClassCounter(classCount);
  const predicted = predictedClasses(probabilities, labels.length, classCount);
  counter.add(probabilities, labels, predicted);
  const confusion = countConfusion(labels, predicted, classCount);
  const perClass = describeClasses(confusion);
  const figures = counter.figures();
  const reliability = reliabilityCurve(probabilities, labels, classCount);
  const ranking = rankClasses(probabilities, labels, classCount);
  const supported = perClass.filter(({ support }) => support > 0);
  const top = (k: number): number | null =>
    k < classCount ? topKAccuracy(probabilities, labels, classCount, k) : null;
  const defined = (value: number): number | null => (Number.isNaN(value) ? null : value);
  return {
    ...figures,
    perClass,
    confusion,
    intervals:
      labels.length > 0 ? bootstrapClasses({ probabilities, labels, predicted, classCount, groups }) : null,
    balancedAccuracy: supported.reduce((sum, { recall }) => sum + recall, 0) / Math.max(1, supported.length),
    microF1: figures.accuracy,
    top3: top(3),
    top5: top(5),
    rocAuc: defined(ranking.rocAuc),
    averagePrecision: defined(ranking.averagePrecision),
    ece: expectedCalibrationError(reliability),
    reliability,
  };
}

/** All three from the same draws, each a count over them. */
function bootstrapClasses({
  probabilities,
  labels,
  predicted,
  classCount,
  groups,
}: {
  readonly probabilities: Float32Array;
  readonly labels: ArrayLike<number>;
  readonly predicted: Int32Array;
  readonly classCount: number;
  readonly groups: Int32Array | undefined;
}): ClassificationIntervals {
  const rows = labels.length;
  const losses = Float64Array.from(
    { length: rows },
    (_, row) => -Math.log(Math.max(1e-15, probabilities[row * classCount + labels[row]!]!)),
  );
  const hits = new Int32Array(classCount);
  // Labels and predictions of a class together: F1 = 2 · hits / (support + predicted).
  const named = new Int32Array(classCount);
  const measure = (drawn: Int32Array): readonly number[] => {
    hits.fill(0);
    named.fill(0);
    let lossSum = 0;
    for (let i = 0; i < drawn.length; i++) {
      const row = drawn[i]!;
      const label = labels[row]!;
      const guess = predicted[row]!;
      named[label]!++;
      named[guess]!++;
      if (label === guess) hits[label]!++;
      lossSum += losses[row]!;
    }
    let right = 0;
    let f1 = 0;
    let present = 0;
    for (let c = 0; c < classCount; c++) {
      if (named[c] === 0) continue;
      right += hits[c]!;
      f1 += (2 * hits[c]!) / named[c]!;
      present++;
    }
    return [right / drawn.length, f1 / present, lossSum / drawn.length];
  };
  const [accuracy, macroF1, loss] = bootstrapIntervals(rows, measure, { groups });
  const units = groups ? new Set(groups).size : rows;
  return { accuracy: reach(accuracy!, units), macroF1: reach(macroF1!, units), loss: loss! };
}

/**
 * Where all rows are right (or all wrong) every draw is too, and the interval would be a point. So many units are still all right, with
 * a probability of 2.5 %, where their true share is 0.025^(1 / units): the end of Clopper and Pearson's exact interval.
 */
function reach({ low, high }: Interval, units: number): Interval {
  const share = 0.025 ** (1 / units);
  if (low === 1) return { low: share, high };
  if (high === 0) return { low, high: 1 - share };
  return { low, high };
}

/** Share of rows whose label is among the k highest scores; of equal scores the higher class counts as higher. */
export function topKAccuracy(
  scores: Float32Array,
  labels: ArrayLike<number>,
  classCount: number,
  k: number,
): number {
  let hits = 0;
  for (let row = 0; row < labels.length; row++) {
    const label = labels[row]!;
    const own = scores[row * classCount + label]!;
    let above = 0;
    for (let c = 0; c < classCount; c++) {
      const score = scores[row * classCount + c]!;
      if (score > own || (score === own && c > label)) above++;
    }
    if (above < k) hits++;
  }
  return labels.length > 0 ? hits / labels.length : 0;
}

/** The most probable class of each row; of equal probabilities the first counts. */
function predictedClasses(probabilities: Float32Array, rows: number, classCount: number): Int32Array {
  const predicted = new Int32Array(rows);
  for (let row = 0; row < rows; row++) {
    const at = row * classCount;
    let best = 0;
    let most = probabilities[at]!;
    for (let c = 1; c < classCount; c++) {
      const probability = probabilities[at + c]!;
      if (probability > most) {
        most = probability;
        best = c;
      }
    }
    predicted[row] = best;
  }
  return predicted;
}

function describeClasses(confusion: Confusion): ClassMetrics[] {
  const predicted = new Float64Array(confusion.length);
  for (const row of confusion) for (const [c, examples] of cellsOf(row)) predicted[c]! += examples;
  return confusion.map((row, c) => {
    const hits = row[c] ?? 0;
    const support = supportOf(row);
    return {
      precision: predicted[c]! > 0 ? hits / predicted[c]! : 0,
      recall: support > 0 ? hits / support : 0,
      f1: support + predicted[c]! > 0 ? (2 * hits) / (support + predicted[c]!) : 0,
      support,
    };
  });
}
