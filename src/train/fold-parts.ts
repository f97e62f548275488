/** A training part cut in two by its folds. */
import type { AnyFeatureSet } from './feature-set.js';
import { selectRows } from './select-rows.js';
import { selectExamples, withoutViews } from './views.js';

export interface Folds {
  readonly train: AnyFeatureSet;
  /** Fold of each example. */
  readonly folds: Int32Array;
}

export interface FoldParts {
  /** The examples of all other folds, in all their views. */
  readonly kept: AnyFeatureSet;
  /** The examples of this fold, as they are. */
  readonly held: AnyFeatureSet;
}

/** @param choose - which of the training examples are taken; default: all */
export function foldParts(
  { train, folds }: Folds,
  fold: number,
  choose: (examples: readonly number[]) => readonly number[] = (examples) => examples,
): FoldParts {
  const examples = Array.from(folds.keys());
  return {
    kept: selectExamples(train, choose(examples.filter((example) => folds[example] !== fold))),
    held: selectRows(withoutViews(train), rowsOfFold(folds, fold)),
  };
}

/** Examples that the fold holds out, in the order of `held`. */
export function rowsOfFold(folds: Int32Array, fold: number): number[] {
  return Array.from(folds.keys()).filter((example) => folds[example] === fold);
}
