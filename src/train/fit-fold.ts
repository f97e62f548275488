import type { Candidate } from './candidate.js';
import type { AnyFeatureSet } from './feature-set.js';
import { selectRows } from './select-rows.js';
import { trainHead, type TrainResult } from './train-head.js';
import type { TrainOptions } from './train-options.js';

/** What all candidates have in common. */
export type FoldBase = Omit<TrainOptions, 'head' | 'solver' | 'l2' | 'lr' | 'weightDecay' | 'epochs'>;

export interface FoldSetting {
  readonly train: AnyFeatureSet;
  /** Fold of each example. */
  readonly folds: Int32Array;
  readonly base: FoldBase;
  readonly epochs: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Trains a candidate on all folds but one, which is its validation part, without early stopping.
 * @param choose - which of the training rows are taken; default: all
 */
export function fitFold(
  { head, solver, l2, lr, weightDecay, seed }: Candidate,
  { train, folds, base, epochs, signal }: FoldSetting,
  fold: number,
  choose: (rows: readonly number[]) => readonly number[] = (rows) => rows,
): Promise<TrainResult> {
  const rows = Array.from(folds.keys());
  const held = rows.filter((row) => folds[row] === fold);
  const kept = choose(rows.filter((row) => folds[row] !== fold));
  return trainHead(selectRows(train, kept), selectRows(train, held), {
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
