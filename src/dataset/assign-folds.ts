/** Folds for cross-validation: stratified, seeded, and never with one group in two of them. */
import { GraftError, invalidArgument } from '../errors.js';
import { createRng } from '../rng.js';

export interface FoldOptions {
  readonly folds?: number;
  readonly seed?: number;
  /** What must not straddle folds: examples of one group share a value. Each is a group of its own unless given. */
  readonly groups?: readonly (string | number)[] | undefined;
  /** For messages. */
  readonly classes?: readonly string[];
}

/**
 * The fold of each example, from 0 to `folds` - 1. Without groups each class is dealt out in a drawn order, going on
 * where the class before it ended, so that folds and the classes in them differ by one example at most. With groups the
 * largest come first, each to the fold where the classes then lie most evenly.
 * @param labels - class of each example; all 0 where there are none
 * @throws GraftError INVALID_DATASET where a class lies in fewer groups than there are folds.
 */
export function assignFolds(
  labels: ArrayLike<number>,
  classCount: number,
  { folds = 5, seed = 1, groups, classes }: FoldOptions = {},
): Int32Array {
  const count = labels.length;
  if (!Number.isSafeInteger(folds) || folds < 2)
    throw invalidArgument('folds', 'a whole number of 2 or more', folds);
  if (folds > count) {
    throw new GraftError(
      'INVALID_DATASET',
      `Expected at least as many examples as --folds ${folds} but there are ${count}; lower --folds or add examples.`,
    );
  }
  const members = membersOf(labels, groups);
  const groupsOfClass = new Array<number>(classCount).fill(0);
  for (const rows of members)
    for (const label of new Set(rows.map((row) => labels[row]!))) groupsOfClass[label]!++;
  const thin = groupsOfClass.findIndex((number, label) => number < folds && hasLabel(labels, label));
  if (thin >= 0) {
    const what = groups ? 'groups' : 'examples';
    throw new GraftError(
      'INVALID_DATASET',
      `Expected ${folds} ${what} or more of every class for --folds ${folds}, but class ${classes?.[thin] ?? thin} has ${groupsOfClass[thin]}; ` +
        `lower --folds or add ${what}.`,
    );
  }
  const rng = createRng(seed);
  const shuffled = rng.shuffle(members);
  return groups
    ? spreadGroups(shuffled, labels, { classCount, folds })
    : deal(shuffled, labels, { classCount, folds });
}

interface Sizes {
  readonly classCount: number;
  readonly folds: number;
}

function deal(
  members: readonly number[][],
  labels: ArrayLike<number>,
  { classCount, folds }: Sizes,
): Int32Array {
  const fold = new Int32Array(labels.length);
  const ofClass: number[][] = Array.from({ length: classCount }, () => []);
  for (const [row] of members) ofClass[labels[row!]!]!.push(row!);
  let next = 0;
  for (const row of ofClass.flat()) fold[row] = next++ % folds;
  return fold;
}

/** As scikit-learn's StratifiedGroupKFold: least spread of the classes' shares over the folds. */
function spreadGroups(
  members: readonly number[][],
  labels: ArrayLike<number>,
  { classCount, folds }: Sizes,
): Int32Array {
  const fold = new Int32Array(labels.length);
  const totals = new Float64Array(classCount);
  for (let row = 0; row < labels.length; row++) totals[labels[row]!]!++;
  const counts = Array.from({ length: folds }, () => new Float64Array(classCount));
  const sizes = new Float64Array(folds);
  for (const rows of members.toSorted((a, b) => b.length - a.length)) {
    const own = new Float64Array(classCount);
    for (const row of rows) own[labels[row]!]!++;
    let best = 0;
    let bestCost = Number.POSITIVE_INFINITY;
    for (let f = 0; f < folds; f++) {
      // Adding `own` to a fold raises Σ over classes of (share in the fold)² by this.
      let cost = 0;
      for (let c = 0; c < classCount; c++) {
        if (own[c]! > 0) cost += ((2 * counts[f]![c]! + own[c]!) * own[c]!) / totals[c]! ** 2;
      }
      if (cost < bestCost || (cost === bestCost && sizes[f]! < sizes[best]!)) [best, bestCost] = [f, cost];
    }
    for (const row of rows) fold[row] = best;
    for (let c = 0; c < classCount; c++) counts[best]![c]! += own[c]!;
    sizes[best]! += rows.length;
  }
  return fold;
}

function membersOf(labels: ArrayLike<number>, groups: FoldOptions['groups']): number[][] {
  if (!groups) return Array.from({ length: labels.length }, (_, row) => [row]);
  const members = new Map<string | number, number[]>();
  for (const [row, group] of groups.entries()) {
    const rows = members.get(group);
    if (rows) rows.push(row);
    else members.set(group, [row]);
  }
  return [...members.values()];
}

function hasLabel(labels: ArrayLike<number>, label: number): boolean {
  for (let row = 0; row < labels.length; row++) if (labels[row] === label) return true;
  return false;
}
