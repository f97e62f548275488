/**
 * Which examples train and which validate, honestly: copies and groups are not divided, what contradicts itself is said.
 */
import { GraftError } from '../errors.js';
import type { Logger } from '../logger.js';
import { holdOutGroups } from './assign-folds.js';
import type { Dataset, Split } from './dataset.js';
import { findDuplicates } from './find-duplicates.js';
import { groupRows } from './group-rows.js';
import { sayShareUnused } from './say-share-unused.js';
import { splitDataset } from './split-dataset.js';
import { stratify } from './stratify.js';

/** warn: copies are kept, never divided by a split of ours, and said; keep: not said; remove: one of each stays. */
export type Duplicates = 'warn' | 'keep' | 'remove';

export interface DivideOptions {
  /** Share held out where the data set has no validation part; 0 trains on everything. */
  readonly validation?: number | undefined;
  readonly seed?: number | undefined;
  readonly duplicates?: Duplicates | undefined;
}

export interface Division {
  /** Rows of the data set. */
  readonly train: number[];
  readonly validation: number[];
  /** For each of these rows what it must stay together with, from 0; undefined where each stands alone. */
  groupsOf(rows: readonly number[]): Int32Array | undefined;
}

/**
 * @param rows - those that can be used
 * @param keys - sha256 of each example's bytes, [examples, 32]
 * @throws GraftError INVALID_DATASET where a group lies in two given parts, or nothing can be held out.
 */
export function divideDataset(
  dataset: Dataset,
  rows: readonly number[],
  keys: Uint8Array,
  options: DivideOptions,
  logger: Logger,
): Division {
  const { validation: share = 0.2, seed = 1, duplicates = 'warn' } = options;
  const { examples } = dataset;
  const partOf = (row: number) => examples.at(row).split ?? 'train';
  const used = rows.filter((row) => partOf(row) !== 'test');
  sayTestPart(dataset, rows.length - used.length, logger);
  const isGiven = used.some((row) => partOf(row) === 'validation');
  const copies = findDuplicates(keys, used);
  const removed = handleCopies(dataset, copies, { isGiven, duplicates }, logger);
  if (used.length < rows.length && duplicates !== 'keep')
    for (const row of handleTested(dataset, findDuplicates(keys, rows), duplicates, logger)) removed.add(row);
  const kept = used.filter((row) => !removed.has(row));
  const left = removed.size > 0 ? copies.map((list) => list.filter((row) => !removed.has(row))) : copies;
  const groupsOf = (part: readonly number[]) => groupRows(part, (row) => examples.at(row).group, left);
  if (isGiven) {
    assertGroupsWhole(dataset, kept);
    const train = kept.filter((row) => partOf(row) === 'train');
    const validation = kept.filter((row) => partOf(row) === 'validation');
    sayShareUnused(options.validation, { where: dataset.root, count: validation.length }, logger);
    return { train, validation, groupsOf };
  }
  if (share === 0) return { train: kept, validation: [], groupsOf };
  const strata = stratify(dataset, kept, share);
  const groups = groupsOf(kept);
  const ownKeys = selectKeys(keys, kept);
  if (!groups) {
    const split = splitDataset(strata.of, strata.count, { validation: share, seed, keys: ownKeys });
    return {
      train: Array.from(split.train, (i) => kept[i]!),
      validation: Array.from(split.validation, (i) => kept[i]!),
      groupsOf,
    };
  }
  const held = holdOutGroups(strata.of, strata.count, share, { seed, groups, keys: ownKeys });
  const train = kept.filter((_, i) => !held.has(i));
  return { train, validation: kept.filter((_, i) => held.has(i)), groupsOf };
}

export function selectKeys(keys: Uint8Array, rows: readonly number[]): Uint8Array {
  const selected = new Uint8Array(rows.length * 32);
  for (const [i, row] of rows.entries()) selected.set(keys.subarray(row * 32, (row + 1) * 32), i * 32);
  return selected;
}

function sayTestPart({ kind }: Dataset, count: number, logger: Logger): void {
  if (count === 0) return;
  const what = `${count} ${count === 1 ? kind.slice(0, -1) : kind}`;
  logger.info(
    `The test part (${what}) is neither trained nor validated on: measure on it with graft eval --split test.`,
  );
}

/** Says what copies there are; the rows to leave out. */
function handleCopies(
  { kind, examples, classes, targets }: Dataset,
  copies: readonly (readonly number[])[],
  { isGiven, duplicates }: { isGiven: boolean; duplicates: Duplicates },
  logger: Logger,
): Set<number> {
  const removed = new Set<number>();
  if (duplicates === 'keep' || copies.length === 0) return removed;
  const pathOf = (row: number): string => examples.at(row).path;
  const isConflict = (list: readonly number[]) =>
    list.some((row) => examples.at(row).label !== examples.at(list[0]!).label);
  const isAcross = (list: readonly number[]) =>
    isGiven && new Set(list.map((row) => examples.at(row).split ?? 'train')).size > 1;
  const conflicts = copies.filter(isConflict);
  const agreeing = copies.filter((list) => !isConflict(list));
  const across = agreeing.filter(isAcross);
  const within = agreeing.filter((list) => !isAcross(list));
  const remove = duplicates === 'remove';
  const what = kind.slice(0, -1);
  const count = (lists: readonly (readonly number[])[], named: string): string =>
    `${lists.length} ${lists.length === 1 ? named : `${named}s`}`;

  if (conflicts.length > 0) {
    const [a, b] = twoLabels(conflicts[0]!, examples);
    const name = (row: number): string => (targets ? '' : ` (${classes[examples.at(row).label]})`);
    logger.warn(
      `${count(conflicts, what)} with two labels or more for the same bytes, for instance ${pathOf(a)}${name(a)} and ` +
        `${pathOf(b)}${name(b)}; ${remove ? 'all of their copies are left out' : 'mend the labels, or leave them out with --duplicates remove'}.`,
    );
    if (remove) for (const row of conflicts.flat()) removed.add(row);
  }
  if (across.length > 0) {
    const list = across[0]!;
    logger.warn(
      `${count(across, `validation ${what}`)} also in the training part (the same bytes), for instance ` +
        `${pathOf(list[0]!)} and ${pathOf(list.at(-1)!)}: ` +
        (remove
          ? 'the training copies are left out.'
          : 'the validation figures flatter. Leave the training copies out with --duplicates remove.'),
    );
    if (remove) {
      for (const rows of across) {
        const stays = rows.find((row) => !isTraining(row));
        for (const row of rows) if (row !== stays) removed.add(row);
      }
    }
  }
  if (within.length > 0) {
    const list = within[0]!;
    const extra = within.reduce((sum, rows) => sum + rows.length - 1, 0);
    logger.warn(
      `${extra} ${extra === 1 ? `${what} is a copy` : `${what}s are copies`} of another one (the same bytes), for instance ` +
        `${pathOf(list[0]!)} and ${pathOf(list[1]!)}: ` +
        (remove
          ? 'one of each is kept.'
          : 'they lie in the same part. Keep one of each with --duplicates remove.'),
    );
    if (remove) for (const row of within.flatMap((rows) => rows.slice(1))) removed.add(row);
  }
  return removed;

  function isTraining(row: number): boolean {
    return (examples.at(row).split ?? 'train') === 'train';
  }
}

/** Says which examples of the test part are trained on too; their training rows where these are to be left out. */
function handleTested(
  { kind, examples }: Dataset,
  copies: readonly (readonly number[])[],
  duplicates: Duplicates,
  logger: Logger,
): number[] {
  const isOf = (part: Split) => (row: number) => (examples.at(row).split ?? 'train') === part;
  const lists = copies.filter((list) => list.some(isOf('test')) && list.some(isOf('train')));
  const [first] = lists;
  if (!first) return [];
  const what = `test ${kind.slice(0, -1)}${lists.length === 1 ? '' : 's'}`;
  const pathOf = (part: Split): string => examples.at(first.find(isOf(part))!).path;
  logger.warn(
    `${lists.length} ${what} also in the training part (the same bytes), for instance ${pathOf('test')} and ${pathOf('train')}: ` +
      (duplicates === 'remove'
        ? 'the training copies are left out.'
        : 'what graft eval measures on it flatters. Leave the training copies out with --duplicates remove.'),
  );
  return duplicates === 'remove' ? lists.flat().filter(isOf('train')) : [];
}

function twoLabels(list: readonly number[], examples: Dataset['examples']): [number, number] {
  const first = list[0]!;
  return [first, list.find((row) => examples.at(row).label !== examples.at(first).label)!];
}

function assertGroupsWhole({ examples, root }: Dataset, rows: readonly number[]): void {
  const partOf = new Map<number, { part: string; row: number }>();
  for (const row of rows) {
    const { group, split = 'train', path } = examples.at(row);
    if (group === undefined) continue;
    const known = partOf.get(group);
    if (!known) partOf.set(group, { part: split, row });
    else if (known.part !== split) {
      throw new GraftError(
        'INVALID_DATASET',
        `A group of ${root} lies in two parts: ${examples.at(known.row).path} (${known.part}) and ${path} (${split}) belong ` +
          'together; put them into one part, or leave --group-column out.',
      );
    }
  }
}
