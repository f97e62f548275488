/** Scores of heads that each leave one fold out, on both sides of it, in one pass over the features. */
import type { LossSpec, Meter, Score, Task } from '../tasks/task.js';
import { exampleCurvature } from './example-curvature.js';
import type { AnyFeatureSet } from './feature-set.js';
import type { OutputBlock } from './head-scorer.js';

export interface FoldScores {
  readonly train: Score;
  /** On the rows that the fold holds out. */
  readonly validation: Score;
}

export interface ScoredFolds {
  /** Of each fold's head. */
  readonly scores: readonly FoldScores[];
  /** [rows]: the mean curvature of each row's loss over the folds that learn from it. */
  readonly curvature: Float32Array;
}

export interface FoldsToScore {
  readonly task: Task;
  readonly loss: LossSpec | undefined;
  readonly train: AnyFeatureSet;
  /** Of each row of `train`, views too; from 0 to `foldCount` - 1. */
  readonly folds: Int32Array;
  readonly foldCount: number;
  /** Rows from here on are further views of the examples before, which alone are scored. */
  readonly examples: number;
}

/** @param blocks - outputs of the heads of all folds, [rows, folds, outputs], of all rows of `train` */
export async function scoreFolds(
  blocks: AsyncIterable<OutputBlock>,
  { task, loss, train, folds, foldCount, examples }: FoldsToScore,
): Promise<ScoredFolds> {
  const outputCount = train.classes.length;
  const curvature = new Float32Array(train.rows);
  const meters = Array.from({ length: foldCount }, () => ({
    train: task.openMeter(train, loss),
    validation: task.openMeter(train, loss),
  }));
  for await (const { rows, outputs } of blocks) {
    const learns = (i: number, fold: number): boolean => folds[rows[i]!] !== fold;
    const shape = { rows: rows.length, replicas: foldCount };
    curvature.set(exampleCurvature(task.kind, outputs, shape, learns), rows[0]);
    const plain = Array.from(rows.keys()).filter((i) => rows[i]! < examples);
    for (const [fold, meter] of meters.entries()) {
      const add = (to: Meter, own: readonly number[]): void => {
        const picked = new Float32Array(own.length * outputCount);
        own.forEach((i, at) => {
          const from = (i * foldCount + fold) * outputCount;
          picked.set(outputs.subarray(from, from + outputCount), at * outputCount);
        });
        to.add(
          picked,
          own.map((i) => rows[i]!),
        );
      };
      add(
        meter.train,
        plain.filter((i) => learns(i, fold)),
      );
      add(
        meter.validation,
        plain.filter((i) => !learns(i, fold)),
      );
    }
  }
  const scores = meters.map(({ train: own, validation }) => ({
    train: own.score(),
    validation: validation.score(),
  }));
  return { scores, curvature };
}
