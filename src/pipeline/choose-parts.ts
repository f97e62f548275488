/** Which rows of a file of features train and which validate: as its split says, else a seeded share of whole groups. */
import { holdOutGroups } from '../dataset/assign-folds.js';
import { splitDataset } from '../dataset/split-dataset.js';
import { nameSome } from '../errors.js';
import { invalid } from './feature-entries.js';

interface Choice {
  readonly labels: Int32Array;
  readonly classes: readonly string[];
  readonly split: Float64Array | undefined;
  readonly groups: Int32Array | undefined;
  readonly where: string;
  readonly validation?: number | undefined;
  readonly seed?: number | undefined;
}

/**
 * Rows of both parts, ascending.
 * @throws GraftError INVALID_DATASET where a class has no training row.
 */
export function chooseParts({ labels, classes, split, groups, where, ...options }: Choice): {
  train: Int32Array;
  validation: Int32Array;
  /** Whether the file's split names it. */
  isGiven: boolean;
} {
  const all = Int32Array.from(labels, (_, row) => row);
  let train = all.filter((row) => (split?.[row] ?? 0) === 0);
  let validation = all.filter((row) => split?.[row] === 1);
  if (train.length === 0)
    throw invalid(where, 'none of the rows is in the training part; let split be 0 for some');
  const share = options.validation ?? 0.2;
  const seed = options.seed ?? 1;
  const isGiven = validation.length > 0;
  if (!isGiven && share > 0) {
    const rows = train;
    const own = rows.map((row) => labels[row]!);
    if (groups) {
      const of = rows.map((row) => groups[row]!);
      const held = holdOutGroups(own, classes.length, share, { seed, groups: of });
      validation = rows.filter((_, i) => held.has(i));
      train = rows.filter((_, i) => !held.has(i));
    } else {
      const sides = splitDataset(own, classes.length, { validation: share, seed });
      train = Int32Array.from(sides.train, (i) => rows[i]!);
      validation = Int32Array.from(sides.validation, (i) => rows[i]!);
    }
  }
  const seen = new Set(train.map((row) => labels[row]!));
  const empty = classes.filter((_, label) => !seen.has(label));
  if (empty.length > 0) {
    throw invalid(
      where,
      `every class needs a training row, but ${nameSome(empty, 5)} ` +
        `${empty.length === 1 ? 'has' : 'have'} none; add rows, or leave classes that have none out of the names`,
    );
  }
  return { train, validation, isGiven };
}
