/**
 * `--folds` of a training: the head that is trained, with the same settings, on all folds of the training part but one, for
 * each of them. What is held out for validation is in no fold.
 */
import { GraftError } from '../errors.js';
import type { OnProgress } from '../logger.js';
import { emptyPredictions, fillPredictions, type HeldOutPredictions } from '../metrics/label-errors.js';
import type { Score } from '../tasks/task.js';
import { taskOf } from '../tasks/task-of.js';
import { type Candidate, goesByEpochs, meanOf, sampleDeviation } from '../train/candidate.js';
import type { AnyFeatureSet } from '../train/feature-set.js';
import { fitFold, withBatch } from '../train/fit-fold.js';
import { foldParts, rowsOfFold } from '../train/fold-parts.js';
import { scoreHead } from '../train/score-head.js';
import type { TrainOptions } from '../train/train-options.js';
import { withoutViews } from '../train/views.js';

/** A figure over the folds. */
export interface Spread {
  readonly mean: number;
  /** Sample standard deviation over the folds. */
  readonly std: number;
  readonly perFold: readonly number[];
}

/** Each figure that the task has, on what the folds hold out. */
export type CrossValidated = { readonly folds: number } & { readonly [Figure in keyof Score]: Spread };

export interface HeadToJudge {
  readonly train: AnyFeatureSet;
  /** Fold of each example, from 0 to `foldCount` - 1. */
  readonly folds: Int32Array;
  readonly foldCount: number;
  readonly training: TrainOptions;
  /** Epoch or iteration whose weights were kept in the training itself. */
  readonly stoppedAt: number;
}

export interface JudgedHead {
  readonly crossValidation: CrossValidated;
  /** What each example is taken for by the head that was not trained on it; undefined where none is of one class. */
  readonly heldOut: HeldOutPredictions | undefined;
}

/**
 * Heads that go by epochs are trained for as many as the head was; L-BFGS goes to the optimum of each fold.
 * @throws GraftError TRAINING_FAILED where the loss of a fold becomes infinite, INTERRUPTED.
 */
export async function crossValidateHead(
  { train, folds, foldCount, training, stoppedAt }: HeadToJudge,
  { signal, onFold }: { readonly signal?: AbortSignal | undefined; readonly onFold?: OnProgress | undefined },
): Promise<JudgedHead> {
  const { head = { kind: 'linear' }, solver = 'lbfgs', l2 = 1, lr, weightDecay, epochs, ...base } = training;
  const candidate: Candidate = {
    head,
    solver: head.kind === 'prototype' ? 'none' : solver,
    ...{ l2, lr, weightDecay },
  };
  const lastEpoch = goesByEpochs(candidate) ? stoppedAt : undefined;
  // The batch of the training on all folds.
  const setting = { train, folds, base: withBatch({ train, base }), epochs, lastEpoch, signal };
  const heldOut =
    taskOf(base.task ?? 'single').targetForm === 'label'
      ? emptyPredictions(withoutViews(train).labels)
      : undefined;
  const scores: Score[] = [];
  for (let fold = 0; fold < foldCount; fold++) {
    const fitted = await fitFold(candidate, setting, fold).catch(explainEnd);
    scores.push(fitted.validation!);
    if (heldOut) {
      const { outputs } = await scoreHead(fitted.head, foldParts(setting, fold).held, base.threads);
      fillPredictions(heldOut, rowsOfFold(folds, fold), outputs);
    }
    onFold?.({ done: fold + 1, total: foldCount });
  }
  const figures = Object.keys(scores[0]!) as (keyof Score)[];
  const spreads = figures.map((figure) => {
    const perFold = scores.map((score) => score[figure]!);
    return [figure, { mean: meanOf(perFold), std: sampleDeviation(perFold), perFold }] as const;
  });
  return {
    crossValidation: { folds: foldCount, ...Object.fromEntries(spreads) } as CrossValidated,
    heldOut,
  };
}

function explainEnd(error: unknown): never {
  if (!(error instanceof GraftError)) throw error;
  if (error.code === 'INTERRUPTED') {
    throw new GraftError(
      'INTERRUPTED',
      'The cross-validation was stopped; the same command begins it again.',
    );
  }
  if (error.code === 'TRAINING_FAILED') {
    throw new GraftError(
      'TRAINING_FAILED',
      'The loss became infinite on one of the --folds; lower the learning rate with --lr.',
    );
  }
  throw error;
}
