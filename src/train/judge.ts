/** What the scores in each fold say of a candidate. */
import type { Score, TaskKind } from '../tasks/task.js';
import { taskOf } from '../tasks/task-of.js';
import { type Candidate, goesByEpochs, type Judged, meanOf, sampleDeviation } from './candidate.js';
import type { EpochRecord } from './epoch-record.js';
import type { EpochScores } from './fit-replicas.js';
import type { TrainResult } from './train-head.js';

/** At the given epoch; by default at the one at which the folds' mean loss is lowest. */
export function judgeHistories<C extends Candidate>(
  candidate: C,
  histories: readonly (readonly EpochScores[])[],
  task: TaskKind | undefined,
  epoch?: number,
): Judged<C> {
  const epochs = epoch ?? bestEpoch(histories);
  return {
    ...judge(
      candidate,
      histories.map((history) => history[epochs - 1]!),
      task,
    ),
    epochs,
  };
}

function bestEpoch(histories: readonly (readonly EpochScores[])[]): number {
  const lossAt = (epoch: number): number =>
    meanOf(histories.map((history) => history[epoch]!.validation.loss));
  let best = 0;
  for (let epoch = 1; epoch < histories[0]!.length; epoch++) if (lossAt(epoch) < lossAt(best)) best = epoch;
  return best + 1;
}

/** From a training on each fold: of one that goes by epochs at one epoch for all of them, as `judgeHistories`. */
export function judgeFits<C extends Candidate>(
  candidate: C,
  fits: readonly Pick<TrainResult, 'history' | 'train' | 'validation'>[],
  task: TaskKind | undefined,
  epoch?: number,
): Judged<C> {
  const withValidation = ({ train, validation }: (typeof fits)[number] | EpochRecord): EpochScores => ({
    train,
    validation: validation!,
  });
  if (!goesByEpochs(candidate)) return judge(candidate, fits.map(withValidation), task);
  const histories = fits.map(({ history }) => history.map(withValidation));
  return judgeHistories(candidate, histories, task, epoch);
}

/** From the scores in each fold. */
export function judge<C extends Candidate>(
  candidate: C,
  fits: readonly { readonly train: Score; readonly validation: Score }[],
  task: TaskKind = 'single',
): Judged<C> {
  const { name } = taskOf(task).figure;
  const scores = fits.map(({ validation }) => validation);
  const folds = scores.map((score) => score[name]!);
  return {
    candidate,
    folds,
    scores,
    mean: meanOf(folds),
    std: sampleDeviation(folds),
    loss: meanOf(scores.map(({ loss }) => loss)),
    train: meanOf(fits.map(({ train }) => train[name]!)),
  };
}

/** Of a candidate whose loss became infinite. */
export function judgeFailed<C extends Candidate>(candidate: C, foldCount: number): Judged<C> {
  const folds = new Array<number>(foldCount).fill(0);
  return { candidate, folds, scores: [], mean: 0, std: 0, loss: Number.MAX_VALUE, train: 0, droppedAt: 0 };
}
