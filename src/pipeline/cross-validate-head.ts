/**
 * `--folds` of a training: the head that is trained, with the same settings, on all folds of the training part but one, for
 * each of them. What is held out for validation is in no fold.
 */
import { GraftError } from '../errors.js';
import type { OnProgress } from '../logger.js';
import type { Score } from '../tasks/task.js';
import { type Candidate, goesByEpochs, meanOf, sampleDeviation } from '../train/candidate.js';
import { crossValidate } from '../train/cross-validate.js';
import type { AnyFeatureSet } from '../train/feature-set.js';
import { lastOfSchedule } from '../train/fit-fold.js';
import { defaultEpochs, type TrainOptions } from '../train/train-options.js';

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

/**
 * Heads that go by epochs are judged after as many as the head that was trained; L-BFGS goes to the optimum of each fold.
 * @throws GraftError TRAINING_FAILED where the loss of a fold becomes infinite, INTERRUPTED.
 */
export async function crossValidateHead(
  { train, folds, foldCount, training, stoppedAt }: HeadToJudge,
  { signal, onFold }: { readonly signal?: AbortSignal | undefined; readonly onFold?: OnProgress | undefined },
): Promise<CrossValidated> {
  const { head = { kind: 'linear' }, solver = 'lbfgs', l2 = 1, lr, weightDecay, epochs, ...base } = training;
  const candidate: Candidate = {
    head,
    solver: head.kind === 'prototype' ? 'none' : solver,
    ...{ l2, lr, weightDecay },
  };
  const [judged] = await crossValidate([candidate], {
    ...{ train, folds, foldCount, base, signal },
    ...(goesByEpochs(candidate)
      ? {
          epochs: lastOfSchedule(base, epochs ?? defaultEpochs) ?? stoppedAt,
          atEpoch: stoppedAt,
        }
      : { iterations: epochs }),
    onShare: (share) => onFold?.({ done: Math.floor(share * foldCount + 1e-9), total: foldCount }),
  }).catch((error: unknown) => {
    if (!(error instanceof GraftError) || error.code !== 'INTERRUPTED') throw error;
    throw new GraftError(
      'INTERRUPTED',
      'The cross-validation was stopped; the same command begins it again.',
    );
  });
  const { scores } = judged!;
  if (scores.length === 0) {
    throw new GraftError(
      'TRAINING_FAILED',
      'The loss became infinite on one of the --folds; lower the learning rate with --lr.',
    );
  }
  const figures = Object.keys(scores[0]!) as (keyof Score)[];
  const spreads = figures.map((figure) => {
    const perFold = scores.map((score) => score[figure]!);
    return [figure, { mean: meanOf(perFold), std: sampleDeviation(perFold), perFold }] as const;
  });
  return { folds: foldCount, ...Object.fromEntries(spreads) } as CrossValidated;
}
