/** All that is measured of a model's outputs, by what it predicts: one document for `graft eval`, a run and its report. */
import { bootstrapIntervals, type Interval } from './bootstrap.js';
import { expectedCalibrationError, reliabilityOfLabel } from './calibration.js';
import { type ClassificationMetrics, type ClassMetrics, classificationMetrics } from './classification.js';
import { type ConfusedPair, confusedPairs } from './confused-pairs.js';
import { type LabelMetrics, measureLabels } from './multi-label.js';
import { rankScores } from './ranking.js';
import { type RegressionMetrics, regressionMetrics } from './regression.js';

export interface ClassEvaluation extends Omit<ClassificationMetrics, 'perClass' | 'meanSteps'> {
  readonly task: 'single' | 'ordered';
  readonly classes: readonly string[];
  readonly perClass: readonly (ClassMetrics & { readonly label: string })[];
  readonly confusedPairs: readonly ConfusedPair[];
  /** Ordered classes: mean distance in steps between label and prediction. */
  readonly meanSteps?: number;
}

export interface LabelEvaluation extends Omit<LabelMetrics, 'perLabel'> {
  readonly task: 'multi';
  readonly classes: readonly string[];
  readonly perClass: readonly (LabelMetrics['perLabel'][number] & {
    readonly label: string;
    /** Null where the label is on every example or on none. */
    readonly rocAuc: number | null;
    readonly averagePrecision: number | null;
    /** Expected calibration error of the label's probability, over fifteen equal bins. */
    readonly ece: number;
  })[];
  /** Mean over the labels (the classwise error of Kull et al. 2019). */
  readonly ece: number;
  /** Means over the labels for which they are defined. */
  readonly rocAuc: number | null;
  readonly averagePrecision: number | null;
}

export interface NumberEvaluation extends RegressionMetrics {
  readonly task: 'regression';
  /** Names of the numbers. */
  readonly classes: readonly string[];
  /** Mean of ½ · squared error, summed over the numbers. */
  readonly loss: number;
  readonly intervals: { readonly mae: Interval; readonly rmse: Interval } | null;
  readonly perClass: readonly (RegressionMetrics & { readonly label: string })[];
}

export type Evaluation = ClassEvaluation | LabelEvaluation | NumberEvaluation;

export interface EvaluationInput {
  readonly task: Evaluation['task'];
  /** Probabilities or numbers, [rows, classes]. */
  readonly outputs: Float32Array;
  readonly classes: readonly string[];
  /** One a row, where the target is one class. */
  readonly labels: ArrayLike<number>;
  /** [rows, classes], where it is a row of numbers. */
  readonly targets?: Float32Array | undefined;
  /** Group of each row where rows of one group are alike: what intervals draw. */
  readonly groups?: Int32Array | undefined;
}

export function evaluateOutputs(input: EvaluationInput): Evaluation {
  const { task, outputs, classes, labels, targets, groups } = input;
  if (task === 'multi') return evaluateLabels(outputs, targets!, classes);
  if (task === 'regression') return evaluateNumbers(outputs, targets!, classes, groups);
  const { meanSteps, ...metrics } = classificationMetrics(outputs, labels, classes.length, groups);
  return {
    task,
    classes,
    ...metrics,
    perClass: metrics.perClass.map((row, c) => ({ label: classes[c]!, ...row })),
    confusedPairs: confusedPairs(metrics.confusion, classes),
    ...(task === 'ordered' && { meanSteps }),
  };
}

function evaluateLabels(
  outputs: Float32Array,
  targets: Float32Array,
  classes: readonly string[],
): LabelEvaluation {
  const { perLabel, ...metrics } = measureLabels(outputs, targets, classes.length);
  const perClass = perLabel.map((row, c) => {
    const scores = column(outputs, c, classes.length);
    const isPresent = column(targets, c, classes.length);
    const isMixed = row.support > 0 && row.support < metrics.examples;
    return {
      label: classes[c]!,
      ...row,
      ...(isMixed ? rankScores(scores, isPresent) : { rocAuc: null, averagePrecision: null }),
      ece: expectedCalibrationError(reliabilityOfLabel(scores, isPresent)),
    };
  });
  return {
    task: 'multi',
    classes,
    ...metrics,
    perClass,
    rocAuc: meanOf(perClass.map((row) => row.rocAuc)),
    averagePrecision: meanOf(perClass.map((row) => row.averagePrecision)),
    ece: meanOf(perClass.map((row) => row.ece)) ?? 0,
  };
}

function evaluateNumbers(
  outputs: Float32Array,
  targets: Float32Array,
  classes: readonly string[],
  groups: Int32Array | undefined,
): NumberEvaluation {
  const width = classes.length;
  const rows = targets.length / width;
  const perClass = classes.map((label, c) => ({
    label,
    ...regressionMetrics(column(outputs, c, width), column(targets, c, width)),
  }));
  const mean = (pick: (row: RegressionMetrics) => number): number =>
    perClass.reduce((sum, row) => sum + pick(row), 0) / width;
  let loss = 0;
  for (let i = 0; i < targets.length; i++) loss += 0.5 * (outputs[i]! - targets[i]!) ** 2;
  const measure = (drawn: Int32Array): readonly number[] => {
    let absolute = 0;
    let squared = 0;
    for (const row of drawn) {
      for (let i = row * width; i < (row + 1) * width; i++) {
        const error = outputs[i]! - targets[i]!;
        absolute += Math.abs(error);
        squared += error * error;
      }
    }
    const count = drawn.length * width;
    return [absolute / count, Math.sqrt(squared / count)];
  };
  const intervals = bootstrapIntervals(rows, measure, { groups });
  return {
    task: 'regression',
    classes,
    examples: rows,
    loss: rows > 0 ? loss / rows : 0,
    r2: meanOf(perClass.map(({ r2 }) => r2)),
    mae: mean(({ mae }) => mae),
    rmse: Math.sqrt(mean(({ rmse }) => rmse ** 2)),
    intervals: rows > 0 ? { mae: intervals[0]!, rmse: intervals[1]! } : null,
    perClass,
  };
}

function column(table: Float32Array, c: number, width: number): Float32Array {
  return Float32Array.from({ length: table.length / width }, (_, row) => table[row * width + c]!);
}

function meanOf(values: readonly (number | null)[]): number | null {
  const defined = values.filter((value) => value !== null);
  return defined.length > 0 ? defined.reduce((a, b) => a + b, 0) / defined.length : null;
}
