/** Judges unfrozen layers by cross-validation, on the folds that judge heads alone. */
import type { Judged, LayerCandidate, TailChoice } from './candidate.js';
import { judge, judgeFailed } from './judge.js';
import { fineTune } from './fine-tune.js';
import type { FineTuneOptions } from './fine-tune-options.js';
import { type ActivationSet, pickRows } from './row-source.js';
import { selectTargets } from '../tasks/targets.js';
import type { Score } from '../tasks/task.js';
import { GraftError } from '../errors.js';
import type { OpenSession } from './tail-step.js';
import type { Tail } from './tail.js';

export interface TailCandidate extends LayerCandidate {
  readonly tail: TailChoice;
}

export interface TailJudgement {
  readonly tail: Tail;
  readonly train: ActivationSet;
  /** Fold of each example, from 0 to `foldCount` - 1. */
  readonly folds: Int32Array;
  readonly foldCount: number;
  /** How the candidate is trained. */
  readonly options: FineTuneOptions;
  readonly open: OpenSession;
  readonly onFold?: (fold: number, validation: Score) => void;
}

/**
 * All epochs count and the last weights: nothing of a fold chooses anything. A loss that becomes infinite drops the
 * candidate.
 */
export async function judgeTail(
  candidate: TailCandidate,
  { tail, train, folds, foldCount, options, open, onFold }: TailJudgement,
): Promise<Judged<TailCandidate>> {
  const rows = Array.from(folds.keys());
  const part = (include: (fold: number) => boolean): ActivationSet => {
    const picked = rows.filter((row) => include(folds[row]!));
    return { ...selectTargets(train, picked), activations: pickRows(train.activations, picked) };
  };
  const finals: { train: Score; validation: Score }[] = [];
  for (let fold = 0; fold < foldCount; fold++) {
    const result = await fineTune(
      tail,
      part((own) => own !== fold),
      part((own) => own === fold),
      { ...options, stopsEarly: false },
      open,
    ).catch((error: unknown) => {
      // A learning rate that is too high is an answer, not the end of the search.
      if (error instanceof GraftError && error.code === 'TRAINING_FAILED') return undefined;
      throw error;
    });
    if (!result) return judgeFailed(candidate, foldCount);
    const { train: trained, validation } = result.history.at(-1)!;
    finals.push({ train: trained, validation: validation! });
    onFold?.(fold, validation!);
  }
  return { ...judge(candidate, finals, options.task), epochs: candidate.tail.epochs };
}
