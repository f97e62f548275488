import type { Candidate } from './candidate.js';
import { foldParts, type Folds } from './fold-parts.js';
import { trainHead, type TrainResult } from './train-head.js';
import type { TrainOptions } from './train-options.js';

/** What all candidates have in common. */
export type FoldBase = Omit<TrainOptions, 'head' | 'solver' | 'l2' | 'lr' | 'weightDecay' | 'epochs'>;

export interface FoldSetting extends Folds {
  readonly base: FoldBase;
  readonly epochs: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Trains a candidate on all folds but one, which is its validation part, without early stopping.
 * @param choose - which of the training examples are taken; default: all
 */
export function fitFold(
  { head, solver, l2, lr, weightDecay, seed }: Candidate,
  { base, epochs, signal, ...all }: FoldSetting,
  fold: number,
  choose?: (examples: readonly number[]) => readonly number[],
): Promise<TrainResult> {
  const { kept, held } = foldParts(all, fold, choose);
  return trainHead(kept, held, {
    ...base,
    head,
    l2,
    patience: Number.POSITIVE_INFINITY,
    ...(solver !== 'none' && { solver }),
    ...(lr !== undefined && { lr }),
    ...(weightDecay !== undefined && { weightDecay }),
    ...(seed !== undefined && { seed }),
    ...(epochs !== undefined && { epochs }),
    ...(signal && { signal }),
  });
}
