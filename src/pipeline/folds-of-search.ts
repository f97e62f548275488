import { assignFolds } from '../dataset/assign-folds.js';
import { GraftError } from '../errors.js';
import { countTargets, type Targets } from '../tasks/targets.js';

/** @throws GraftError INVALID_DATASET where a class has fewer examples than there are folds. */
export function foldsOf(
  train: Targets,
  groups: Int32Array | undefined,
  foldCount: number,
  seed: number,
): Int32Array {
  const { labels, rows, classes } = train;
  if (foldCount > rows) {
    throw new GraftError(
      'INVALID_DATASET',
      `Expected at least as many training examples as --folds ${foldCount} but there are ${rows}; lower --folds.`,
    );
  }
  const counts = countTargets(train);
  const thin = counts.findIndex((count) => labels.length > 0 && count < foldCount);
  if (thin >= 0) {
    throw new GraftError(
      'INVALID_DATASET',
      `Expected ${foldCount} training examples or more of every class for --folds ${foldCount}, but "${classes[thin]}" has ${counts[thin]}; ` +
        'lower --folds or add examples.',
    );
  }
  return assignFolds(labels.length > 0 ? labels : new Int32Array(rows), classes.length, foldCount, {
    seed,
    groups,
  });
}
