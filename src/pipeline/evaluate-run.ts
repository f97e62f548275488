/** How good a run's head is on the part that was held out (or on what it was trained on, where none was). */
import type { TrainedHead } from '../heads/head.js';
import { type Evaluation, evaluateOutputs } from '../metrics/evaluation.js';
import type { AnyFeatureSet } from '../train/feature-set.js';
import { scoreHead } from '../train/score-head.js';
import type { Calibration } from './calibrate-head.js';

/** A label that cross-validation finds to be probably wrong. */
export interface SuspectLabel extends RatedExample {
  /** Probability of the label; `score` is that of the prediction. */
  readonly labelScore: number;
}

export interface RatedExample {
  /** Path of the file, or the number of the row. */
  readonly path: string;
  /** Of a text its beginning. */
  readonly text?: string;
  readonly label: string;
  readonly prediction: string;
  /** Probability of the prediction. */
  readonly score: number;
}

/** `evaluation.json` of a run folder. */
export interface RunEvaluation {
  readonly part: 'train' | 'validation';
  readonly evaluation: Evaluation;
  readonly calibration?: Calibration;
  /** Training examples of each class. */
  readonly trainCounts: readonly number[];
  /** Wrong predictions, the surest first: often a wrong label. */
  readonly mistakes: readonly RatedExample[];
  /** Predictions with the lowest probability. */
  readonly leastCertain: readonly RatedExample[];
  /** Of the training part, with --folds: the likeliest ones. */
  readonly labelErrors?: readonly SuspectLabel[];
}

/** Of each kind that a report shows. */
export const shownExamples = 12;

export interface EvaluateRunInput {
  readonly head: TrainedHead;
  readonly part: RunEvaluation['part'];
  readonly set: AnyFeatureSet;
  /** For each of its rows what it belongs together with, which intervals do not divide. */
  readonly groups?: Int32Array | undefined;
  readonly trainCounts: readonly number[];
  /** What row i of the set is called, and where it is a text how it begins. */
  describeRow(row: number): Promise<Pick<RatedExample, 'path' | 'text'>>;
  readonly calibration?: Calibration | undefined;
  readonly threads?: number | undefined;
}

export async function evaluateRun(input: EvaluateRunInput): Promise<RunEvaluation> {
  const { head, part, set, groups, trainCounts, describeRow, calibration, threads } = input;
  const { outputs } = await scoreHead(head, set, threads);
  const { classes, labels, targets } = set;
  const evaluation = evaluateOutputs({ task: head.task, outputs, classes, labels, targets, groups });
  const isOneClass = head.task === 'single' || head.task === 'ordered';
  const rated = isOneClass ? rate(outputs, set) : [];
  const describe = async ({ row, best, score }: Rated): Promise<RatedExample> => ({
    ...(await describeRow(row)),
    label: classes[labels[row]!]!,
    prediction: classes[best]!,
    score,
  });
  const bySure = [...rated].sort((a, b) => b.score - a.score || a.row - b.row);
  const mistakes = bySure.filter(({ row, best }) => best !== labels[row]);
  return {
    part,
    evaluation,
    ...(calibration && { calibration }),
    trainCounts,
    mistakes: await Promise.all(mistakes.slice(0, shownExamples).map(describe)),
    leastCertain: await Promise.all(bySure.slice(-shownExamples).reverse().map(describe)),
  };
}

interface Rated {
  readonly row: number;
  readonly best: number;
  readonly score: number;
}

function rate(outputs: Float32Array, { rows, classes }: AnyFeatureSet): Rated[] {
  return Array.from({ length: rows }, (_, row) => {
    const at = row * classes.length;
    let best = 0;
    for (let c = 1; c < classes.length; c++) if (outputs[at + c]! > outputs[at + best]!) best = c;
    return { row, best, score: outputs[at + best]! };
  });
}

/** The figures of an evaluation that fit into a line: numbers alone. */
export function figuresOfEvaluation(evaluation: Evaluation): Record<string, number> {
  return Object.fromEntries(
    Object.entries(evaluation).filter(
      (entry): entry is [string, number] => typeof entry[1] === 'number' && Number.isFinite(entry[1]),
    ),
  );
}
