import { assignFolds } from '../dataset/assign-folds.js';
import { GraftError } from '../errors.js';
import { countTargets, type Targets } from '../tasks/targets.js';
import type { TaskKind } from '../tasks/task.js';

/**
 * The fold of each training example.
 * @throws GraftError INVALID_DATASET where a class has fewer examples than there are folds, or amounts are too few.
 */
export function foldsOf(
  train: Targets,
  groups: Int32Array | undefined,
  foldCount: number,
  { seed, task }: { readonly seed: number; readonly task: TaskKind },
): Int32Array {
  const { labels, rows, classes } = train;
  const isOneOf = labels.length > 0;
  const counts = isOneOf ? countTargets(train) : undefined;
  assertEnoughForFolds({ rows, classes, counts, task }, foldCount);
  const folds = assignFolds(isOneOf ? labels : new Int32Array(rows), classes.length, foldCount, {
    seed,
    groups,
  });
  if (task === 'regression') assertMeasurable(folds, foldCount);
  return folds;
}

interface TrainingRows {
  readonly rows: number;
  readonly classes: readonly string[];
  /** Rows of each class, where the target is one class. */
  readonly counts: ArrayLike<number> | undefined;
  readonly task: TaskKind;
}

/** @throws GraftError INVALID_DATASET where a class, or all together, have fewer examples than there are folds. */
export function assertEnoughForFolds({ rows, classes, counts, task }: TrainingRows, foldCount: number): void {
  const least = task === 'regression' ? 2 * foldCount : foldCount;
  if (rows < least) {
    throw new GraftError(
      'INVALID_DATASET',
      `Expected ${least} training examples or more for --folds ${foldCount}` +
        `${task === 'regression' ? ', two each, as R² of one is not defined,' : ''} but there are ${rows}; lower --folds.`,
    );
  }
  const thin = counts ? Array.from(counts).findIndex((count) => count < foldCount) : -1;
  if (thin < 0) return;
  throw new GraftError(
    'INVALID_DATASET',
    `Expected ${foldCount} training examples or more of every class for --folds ${foldCount}, but "${classes[thin]}" has ${counts![thin]}; ` +
      (counts![thin]! < 2 ? 'add examples or leave the class out.' : 'lower --folds or add examples.'),
  );
}

/** Groups may leave a fold with one example. */
function assertMeasurable(folds: Int32Array, foldCount: number): void {
  const sizes = new Int32Array(foldCount);
  for (const fold of folds) sizes[fold]!++;
  if (sizes.every((size) => size > 1)) return;
  throw new GraftError(
    'INVALID_DATASET',
    `Of the ${folds.length} training examples --folds ${foldCount} leaves a fold with one, on which R² cannot be measured; lower --folds.`,
  );
}
