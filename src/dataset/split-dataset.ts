import { createHash } from 'node:crypto';
import { GraftError, invalidArgument } from '../errors.js';
import { createRng } from '../rng.js';

export interface SplitOptions {
  /** Share held out, from 0 to below 1. */
  readonly validation?: number;
  readonly seed?: number;
  /** sha256 of each example's bytes, [n, 32]. With it the side an example falls on follows from what it is. */
  readonly keys?: Uint8Array;
}

/** Positions in the list of labels, ascending. */
export interface DatasetSplit {
  readonly train: Uint32Array;
  readonly validation: Uint32Array;
}

/**
 * A stratified seeded split: of n examples round(share · n) are held out, each class giving its share (largest
 * remainders first) but at least one and never all: that of a class of one trains. Within a class the order is drawn by
 * the seed; with `keys` by the seed and the content, so that renaming or adding examples moves few of the others across,
 * and equal ones lie together.
 * @throws GraftError INVALID_DATASET where no class has two examples.
 */
export function splitDataset(
  labels: ArrayLike<number>,
  classCount: number,
  { validation: share = 0.2, seed = 1, keys }: SplitOptions = {},
): DatasetSplit {
  if (!(share >= 0 && share < 1)) throw invalidArgument('validation', 'a share from 0 to below 1', share);
  if (share === 0)
    return { train: Uint32Array.from({ length: labels.length }, (_, i) => i), validation: new Uint32Array() };
  const members: number[][] = Array.from({ length: classCount }, () => []);
  for (let i = 0; i < labels.length; i++) members[labels[i]!]!.push(i);
  if (members.every(({ length }) => length < 2)) {
    throw new GraftError(
      'INVALID_DATASET',
      (classCount === 1
        ? `Expected two examples or more to hold a validation part out, but there is ${labels.length === 0 ? 'none' : 'one'}; `
        : 'Expected two examples or more of some class to hold a validation part out, but no class has more than one; ' +
          'where labels are amounts say --task regression, else ') +
        'add examples, or train on everything with --validation 0.',
    );
  }
  const wanted = members.map(({ length }) => share * length);
  const counts = wanted.map((count, c) =>
    Math.max(0, Math.min(members[c]!.length - 1, Math.max(1, Math.floor(count)))),
  );
  let missing = Math.round(share * labels.length) - counts.reduce((a, b) => a + b, 0);
  const byRemainder = wanted
    .map((count, c) => ({ c, rest: count - counts[c]! }))
    .sort((a, b) => b.rest - a.rest || a.c - b.c);
  for (const { c } of byRemainder) {
    if (missing <= 0) break;
    if (counts[c]! >= members[c]!.length - 1) continue;
    counts[c]!++;
    missing--;
  }
  const held = drawOrder(members, seed, keys).flatMap((rows, c) => rows.slice(0, counts[c]));
  const isHeld = new Set(held);
  return {
    train: Uint32Array.from({ length: labels.length }, (_, i) => i).filter((i) => !isHeld.has(i)),
    validation: Uint32Array.from(held).sort(),
  };
}

/** The members of each class in the order in which they are held out. */
function drawOrder(members: readonly number[][], seed: number, keys: Uint8Array | undefined): number[][] {
  if (!keys) {
    const rng = createRng(seed);
    return members.map((rows) => rng.shuffle([...rows]));
  }
  const rank = (row: number): number => {
    const key = keys.subarray(row * 32, (row + 1) * 32);
    return createHash('sha256').update(`${seed}:`).update(key).digest().readUIntBE(0, 6);
  };
  return members.map((rows) =>
    rows
      .map((row) => ({ row, rank: rank(row) }))
      .sort((a, b) => a.rank - b.rank || a.row - b.row)
      .map(({ row }) => row),
  );
}
