/** What the scores in each fold say of a candidate. */
import type { Score, TaskKind } from '../tasks/task.js';
import { taskOf } from '../tasks/task-of.js';
import { type Candidate, type Judged, meanOf, sampleDeviation } from './candidate.js';
import type { EpochScores } from './fit-replicas.js';

/** At the one epoch at which the folds' mean loss is lowest. */
export function judgeHistories<C extends Candidate>(
  candidate: C,
  histories: readonly (readonly EpochScores[])[],
  task: TaskKind | undefined,
): Judged<C> {
  const lossAt = (epoch: number): number =>
    meanOf(histories.map((history) => history[epoch]!.validation.loss));
  let best = 0;
  for (let epoch = 1; epoch < histories[0]!.length; epoch++) if (lossAt(epoch) < lossAt(best)) best = epoch;
  return {
    ...judge(
      candidate,
      histories.map((history) => history[best]!),
      task,
    ),
    epochs: best + 1,
  };
}

/** From the scores in each fold. */
export function judge<C extends Candidate>(
  candidate: C,
  fits: readonly { readonly train: Score; readonly validation: Score }[],
  task: TaskKind = 'single',
): Judged<C> {
  const { name } = taskOf(task).figure;
  const folds = fits.map(({ validation }) => validation[name]!);
  return {
    candidate,
    folds,
    mean: meanOf(folds),
    std: sampleDeviation(folds),
    loss: meanOf(fits.map(({ validation }) => validation.loss)),
    train: meanOf(fits.map(({ train }) => train[name]!)),
  };
}

/** Of a candidate whose loss became infinite. */
export function judgeFailed<C extends Candidate>(candidate: C, foldCount: number): Judged<C> {
  const folds = new Array<number>(foldCount).fill(0);
  return { candidate, folds, mean: 0, std: 0, loss: Number.MAX_VALUE, train: 0, droppedAt: 0 };
}
