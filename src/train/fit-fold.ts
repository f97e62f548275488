import { isOpenEnded } from '../optim/schedules.js';
import type { Candidate } from './candidate.js';
import type { AnyFeatureSet } from './feature-set.js';
import { foldParts, type Folds } from './fold-parts.js';
import { trainHead, type TrainResult } from './train-head.js';
import { type TrainOptions, usualBatch } from './train-options.js';
import { countExamples } from './views.js';

/** What all candidates have in common. */
export type FoldBase = Omit<TrainOptions, 'head' | 'solver' | 'l2' | 'lr' | 'weightDecay' | 'epochs'>;

/** With the batch that is usual for all examples, which the folds then share. */
export function withBatch({
  train,
  base,
}: {
  readonly train: AnyFeatureSet;
  readonly base: FoldBase;
}): FoldBase {
  return { batch: usualBatch(countExamples(train)), ...base };
}

/** The epoch to judge at where the rates depend on how many there are to be: fewer would be another training. */
export function lastOfSchedule(
  { schedule: kind = 'constant', warmUp = 0 }: FoldBase,
  epochs: number,
): number | undefined {
  return isOpenEnded({ kind, warmUp }) ? undefined : epochs;
}

export interface FoldSetting extends Folds {
  readonly base: FoldBase;
  readonly epochs: number | undefined;
  /** Ends after this one of them. */
  readonly lastEpoch?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Trains a candidate on all folds but one, which is its validation part, without early stopping.
 * @param choose - which of the training examples are taken; default: all
 */
export function fitFold(
  { head, solver, l2, lr, weightDecay, seed }: Candidate,
  { base, epochs, lastEpoch, signal, ...all }: FoldSetting,
  fold: number,
  choose?: (examples: readonly number[]) => readonly number[],
): Promise<TrainResult> {
  const { kept, held } = foldParts(all, fold, choose);
  return trainHead(kept, held, {
    ...base,
    head,
    l2,
    stopsEarly: false,
    ...(solver !== 'none' && { solver }),
    ...(lr !== undefined && { lr }),
    ...(weightDecay !== undefined && { weightDecay }),
    ...(seed !== undefined && { seed }),
    ...(epochs !== undefined && { epochs }),
    lastEpoch,
    ...(signal && { signal }),
  });
}
