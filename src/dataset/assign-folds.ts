/**
 * Stratified folds of whole groups, and a held-out part of them. Groups go one by one to where they bring the classes
 * nearest to their shares: to folds, of which each is held out once, in a seeded order with the large ones first. Without groups every
 * row is one.
 */
import { createHash } from 'node:crypto';
import { GraftError, invalidArgument } from '../errors.js';
import { createRng } from '../rng.js';

export interface FoldOptions {
  readonly seed?: number;
  /** Group of each row; a group is never divided. */
  readonly groups?: Int32Array | undefined;
  /** sha256 of each row's bytes, [rows, 32]: the order follows from them, not from that of the rows. */
  readonly keys?: Uint8Array | undefined;
}

/**
 * The fold of each row, 0 to folds - 1; each class lies in the folds as evenly as the groups allow.
 * @throws GraftError INVALID_DATASET where there are fewer groups than folds.
 */
export function assignFolds(
  labels: ArrayLike<number>,
  classCount: number,
  folds: number,
  options: FoldOptions = {},
): Int32Array {
  if (!Number.isSafeInteger(folds) || folds < 2)
    throw invalidArgument('folds', 'a whole number above 1', folds);
  const units = collectUnits(labels, options);
  if (units.length < folds) {
    throw new GraftError(
      'INVALID_DATASET',
      `Expected ${folds} groups or more for ${folds} folds but there are ${units.length}; ${units.length < 2 ? 'divide the examples into finer groups' : 'take fewer folds'}.`,
    );
  }
  const totals = totalsOf(units, classCount);
  const counts = Array.from({ length: folds }, () => new Float64Array(classCount));
  const sizes = new Float64Array(folds);
  const foldOf = new Int32Array(labels.length);
  for (const { rows, classes } of units.sort((a, b) => b.rows.length - a.rows.length || byRank(a, b))) {
    let best = 0;
    let bestCost = Number.POSITIVE_INFINITY;
    for (let fold = 0; fold < folds; fold++) {
      // What the sum of squared class shares grows by; equal ones are told apart by the size of the fold.
      let cost = 1e-6 * sizes[fold]!;
      for (const [c, n] of classes) cost += (n * (2 * counts[fold]![c]! + n)) / totals[c]!;
      if (cost < bestCost) [best, bestCost] = [fold, cost];
    }
    for (const [c, n] of classes) counts[best]![c]! += n;
    sizes[best]! += rows.length;
    for (const row of rows) foldOf[row] = best;
  }
  return foldOf;
}

/**
 * Rows to hold out: whole groups, about `share` of each class, at least a row of a class that has two or more where its groups
 * allow it, and never the last of a class. Groups are taken in a random order until there are enough: in the order of
 * their size, the part would hold the large ones or the small ones alone, and be no sample of the data.
 * @throws GraftError INVALID_DATASET where that leaves nothing to hold out.
 */
export function holdOutGroups(
  labels: ArrayLike<number>,
  classCount: number,
  share: number,
  options: FoldOptions = {},
): Set<number> {
  const units = collectUnits(labels, options);
  const left = totalsOf(units, classCount);
  const wanted = left.map((total) => Math.max(share * total, 1));
  const held = new Float64Array(classCount);
  const rowsHeld = new Set<number>();
  for (const { rows, classes } of units.sort(byRank)) {
    let change = 0;
    let isLast = false;
    for (const [c, n] of classes) {
      const [before, after] = [held[c]! - wanted[c]!, held[c]! + n - wanted[c]!];
      change += (after * after - before * before) / wanted[c]!;
      if (left[c]! - n < 1) isLast = true;
    }
    if (isLast || change >= 0) continue;
    for (const [c, n] of classes) {
      held[c]! += n;
      left[c]! -= n;
    }
    for (const row of rows) rowsHeld.add(row);
  }
  if (rowsHeld.size > 0) return rowsHeld;
  throw new GraftError(
    'INVALID_DATASET',
    `What stays together (a group, or examples with the same bytes) is too few units, ${units.length}, or too large ones to hold ` +
      `${(100 * share).toFixed(0)} % out without dividing one; use finer groups, or train on everything with --validation 0.`,
  );
}

interface Unit {
  readonly rows: number[];
  /** Rows of each class. */
  readonly classes: Map<number, number>;
  /** Random, and no function of the size. */
  rank: number;
}

function byRank(a: Unit, b: Unit): number {
  return a.rank - b.rank || a.rows[0]! - b.rows[0]!;
}

function collectUnits(labels: ArrayLike<number>, { seed = 1, groups, keys }: FoldOptions): Unit[] {
  const units = new Map<number, Unit>();
  for (let row = 0; row < labels.length; row++) {
    const group = groups?.[row] ?? row;
    let unit = units.get(group);
    if (!unit) units.set(group, (unit = { rows: [], classes: new Map(), rank: 0 }));
    unit.rows.push(row);
    unit.classes.set(labels[row]!, (unit.classes.get(labels[row]!) ?? 0) + 1);
  }
  const rng = createRng(seed);
  const list = [...units.values()];
  for (const unit of list) unit.rank = keys ? rankOf(firstKey(unit.rows, keys), seed) : rng.uniform();
  return list;
}

/** The least of the rows' keys, [32], whatever their order. */
function firstKey(rows: readonly number[], keys: Uint8Array): Uint8Array {
  let first = keys.subarray(rows[0]! * 32, (rows[0]! + 1) * 32);
  for (const row of rows) {
    const key = keys.subarray(row * 32, (row + 1) * 32);
    if (Buffer.compare(key, first) < 0) first = key;
  }
  return first;
}

function rankOf(key: Uint8Array, seed: number): number {
  return createHash('sha256').update(`${seed}:`).update(key).digest().readUIntBE(0, 6);
}

function totalsOf(units: readonly Unit[], classCount: number): Float64Array {
  const totals = new Float64Array(classCount);
  for (const { classes } of units) for (const [c, n] of classes) totals[c]! += n;
  return totals;
}
