/** Which examples train and which validate: the data set's own parts where it has them, else a stratified seeded split. */
import type { Dataset } from '../dataset/dataset.js';
import { type DivideOptions, divideDataset, selectKeys } from '../dataset/divide-dataset.js';
import { readDataset } from '../dataset/read-dataset.js';
import { splitDataset } from '../dataset/split-dataset.js';
import { stratify } from '../dataset/stratify.js';
import { GraftError, nameSome } from '../errors.js';
import type { FeatureStore } from '../features/feature-store.js';
import { keyBytes } from '../features/key-index.js';
import { loadFeatures } from '../features/load-features.js';
import { openRows, type RowReader } from '../features/row-reader.js';
import { type Logger, silentLogger } from '../logger.js';
import type { Targets } from '../tasks/targets.js';
import type { AnyFeatureSet } from '../train/feature-set.js';
import { assertSomeUsable } from './assert-some-usable.js';
import type { CachedFeatures, CacheOptions } from './cache-features.js';
import { assertEnoughForFolds } from './folds-of-search.js';
import { sayTraining } from './say-training.js';
import { staysOnDisk } from './stays-on-disk.js';

export interface SplitOptions extends DivideOptions {
  readonly classWeights?: 'none' | 'balanced' | undefined;
  /** Features stay on disk and are read when they are needed; default: where memory does not hold them. */
  readonly stream?: boolean | undefined;
  /** Neighbours to compare with, for which features are taken into memory unless `stream` is set. */
  readonly knn?: number | undefined;
}

/** Verification looks at this many examples, calibration of what is quantised at this many. */
const [verifyCount, calibrateCount] = [32, 64];

/**
 * Reads the data set's list alone, so that one that cannot be split does not cost hours of caching first.
 * @throws GraftError INVALID_DATASET
 */
export async function assertSplittable(
  options: CacheOptions & SplitOptions & { readonly folds?: number | undefined },
): Promise<Dataset> {
  const dataset = await readDataset(options.data, options);
  const { examples } = dataset;
  const rows = examples.rowsWhere(({ split = 'train' }) => split === 'train');
  assertTrained(rows, dataset);
  let train = rows;
  if (!hasValidation(dataset)) {
    const { validation = 0.2 } = options;
    const { of, count } = stratify(dataset, rows, validation);
    const sides = splitDataset(of, count, { validation });
    // Of groups more or fewer may be held out; all that is known is that there are no more than all.
    if (examples.at(rows[0]!).group === undefined) train = Array.from(sides.train, (i) => rows[i]!);
  }
  if (options.folds !== undefined) assertEnoughForFolds(trainingRows(train, dataset), options.folds);
  return dataset;
}

/** Whether the data set says itself what validates. */
export function hasValidation({ examples }: Dataset): boolean {
  return examples.rowsWhere(({ split }) => split === 'validation').length > 0;
}

/** Without classes that training does not have. */
function trainingRows(train: readonly number[], { examples, classes, task }: Dataset) {
  const rows = train.length;
  if (task !== 'single' && task !== 'ordered') return { rows, classes, task, counts: undefined };
  const counts = new Int32Array(classes.length);
  for (const row of train) counts[examples.at(row).label]!++;
  const isThere = (c: number): boolean => counts[c]! > 0;
  return {
    ...{ rows, task },
    classes: classes.filter((_, c) => isThere(c)),
    counts: counts.filter((_, c) => isThere(c)),
  };
}

/** @throws GraftError INVALID_DATASET where no row is left to train on. */
function assertTrained(train: readonly number[], { root, examples, kind }: Dataset): void {
  if (train.length > 0) return;
  throw new GraftError(
    'INVALID_DATASET',
    `None of the ${examples.length} ${kind} of ${root} is in the training part: a column split, folders or names of files put ` +
      'all into validation and test. Put some into train.',
  );
}

export interface Parts {
  readonly train: AnyFeatureSet;
  readonly validation: AnyFeatureSet | undefined;
  /** Rows of the data set in each part. */
  readonly rows: { readonly train: readonly number[]; readonly validation: readonly number[] };
  /** Rows of the data set to verify on: spread over the validation part, else over the training part. */
  readonly held: readonly number[];
  /** Rows of the data set that show what values the backbone takes: spread over the training part. */
  readonly typical: readonly number[];
  /** For each row of a part what it must stay together with; undefined where each stands alone. */
  readonly trainGroups: Int32Array | undefined;
  readonly validationGroups: Int32Array | undefined;
  /** Rows of a store that are read from it until `close`. */
  open(store: FeatureStore, keys: Uint8Array): Promise<RowReader>;
  /** Closes what streamed features are read from. */
  close(): Promise<void>;
}

/** Splits, and loads or opens. */
export async function splitFeatures(
  cached: CachedFeatures,
  options: SplitOptions,
  logger: Logger = silentLogger,
): Promise<Parts> {
  const { train, validation, ...rest } = splitRows(cached, options, logger);
  const { store, backbone } = cached;
  const opened: RowReader[] = [];
  const open: Parts['open'] = async (from, keys) => {
    const reader = await openRows(from, keys);
    opened.push(reader);
    return reader;
  };
  const { dim } = backbone;
  const count = [train, validation].reduce((sum, part) => sum + (part?.targets.rows ?? 0) * dim, 0);
  const isStreamed = staysOnDisk(options, count, logger);
  const select = async ({ targets, keys }: PartRows): Promise<AnyFeatureSet> => {
    const set = { ...targets, dim };
    return isStreamed
      ? { ...set, features: await open(store, keys) }
      : { ...set, features: await loadFeatures(store, keys) };
  };
  return {
    train: await select(train),
    validation: validation && (await select(validation)),
    ...rest,
    open,
    close: async () => void (await Promise.all(opened.map((reader) => reader.close()))),
  };
}

/** One part of a data set, its features not yet read. */
export interface PartRows {
  readonly targets: Targets;
  /** sha256 of each example's bytes, [rows, 32]. */
  readonly keys: Uint8Array;
}

/**
 * Which examples are in which part; those without features are in none.
 * @throws GraftError INVALID_DATASET
 */
export function splitRows(
  { dataset, keys, report }: Pick<CachedFeatures, 'dataset' | 'keys' | 'report'>,
  options: SplitOptions,
  logger: Logger = silentLogger,
): {
  readonly train: PartRows;
  readonly validation: PartRows | undefined;
  readonly rows: { readonly train: readonly number[]; readonly validation: readonly number[] };
  readonly held: readonly number[];
  readonly typical: readonly number[];
  readonly trainGroups: Int32Array | undefined;
  readonly validationGroups: Int32Array | undefined;
} {
  assertSomeUsable(report, dataset.root);
  const usable = rowsWithFeatures(dataset, keys);
  const { train, validation, groupsOf } = divideDataset(dataset, usable, keys, options, logger);
  const known = knownClasses(train, dataset, logger);
  const judged = dropUnknown(validation, known, dataset, logger);
  const select = (rows: readonly number[]): PartRows => ({
    targets: targetsOf(rows, dataset, known),
    keys: selectKeys(keys, rows),
  });
  const chosen = select(train);
  sayTraining(chosen.targets, { task: dataset.task, classWeights: options.classWeights }, logger);
  return {
    train: chosen,
    validation: judged.length > 0 ? select(judged) : undefined,
    rows: { train, validation: judged },
    held: spread(judged.length > 0 ? judged : train, verifyCount),
    typical: spread(train, calibrateCount),
    trainGroups: groupsOf(train),
    validationGroups: groupsOf(judged),
  };
}

/** Rows of the data set that were not skipped, ascending. */
export function rowsWithFeatures({ examples }: Dataset, keys: Uint8Array): number[] {
  return examples.rowsWhere((_, row) =>
    keys.subarray(row * keyBytes, (row + 1) * keyBytes).some((byte) => byte !== 0),
  );
}

interface KnownClasses {
  readonly names: readonly string[];
  /** Where each class of the data set is among them; -1 where training has no example of it. */
  readonly placeOf: Int32Array;
}

/**
 * Classes that only parts held out have cannot be learned: they are left out and said. A class that the whole data set
 * should have but of which no image is left is an error.
 */
function knownClasses(train: readonly number[], dataset: Dataset, logger: Logger): KnownClasses {
  const { examples, classes, root, kind, task, targets } = dataset;
  const all = { names: classes, placeOf: Int32Array.from(classes, (_, c) => c) };
  if (task === 'regression') return all;
  const isSeen = new Uint8Array(classes.length);
  for (const row of train) {
    const { label } = examples.at(row);
    if (!targets) isSeen[label] = 1;
    else for (let c = 0; c < classes.length; c++) isSeen[c]! |= targets[label * classes.length + c]!;
  }
  const empty = classes.filter((_, c) => isSeen[c] === 0);
  if (empty.length === 0) return all;
  const isOnlyHeld = examples.rowsWhere(({ split }) => split === 'validation' || split === 'test').length > 0;
  const names = classes.filter((_, c) => isSeen[c] === 1);
  if (!isOnlyHeld || names.length < (targets ? 1 : 2)) {
    throw new GraftError(
      'INVALID_DATASET',
      `No usable training ${kind.slice(0, -1)} is left for ${empty.length === 1 ? 'class' : 'classes'} ${nameSome(empty)} of ${root}; ` +
        'add examples or remove the class.',
    );
  }
  logger.warn(
    `${empty.length === 1 ? 'Class' : 'Classes'} ${nameSome(empty)} of ${root} ${empty.length === 1 ? 'has' : 'have'} no ` +
      `training example, so the model will not know ${empty.length === 1 ? 'it' : 'them'}.`,
  );
  let place = 0;
  return { names, placeOf: Int32Array.from(classes, (_, c) => (isSeen[c] ? place++ : -1)) };
}

/** Without the examples whose class training does not have. */
function dropUnknown(
  rows: readonly number[],
  { placeOf }: KnownClasses,
  { examples, classes, targets }: Dataset,
  logger: Logger,
): readonly number[] {
  const isKnown = (row: number): boolean => {
    const { label } = examples.at(row);
    if (!targets) return placeOf[label]! >= 0;
    return classes.every((_, c) => placeOf[c]! >= 0 || targets[label * classes.length + c] === 0);
  };
  const known = rows.filter(isKnown);
  if (known.length < rows.length) {
    logger.warn(
      `${rows.length - known.length} of ${rows.length} validation examples have a label that training does not have, and are left out.`,
    );
  }
  return known;
}

function targetsOf(
  rows: readonly number[],
  { examples, classes, targets }: Dataset,
  { names, placeOf }: KnownClasses,
): Targets {
  const base = { rows: rows.length, classes: names };
  if (!targets) return { ...base, labels: Int32Array.from(rows, (row) => placeOf[examples.at(row).label]!) };
  const values = new Float32Array(rows.length * names.length);
  rows.forEach((row, i) => {
    const from = examples.at(row).label * classes.length;
    for (let c = 0; c < classes.length; c++) {
      if (placeOf[c]! >= 0) values[i * names.length + placeOf[c]!] = targets[from + c]!;
    }
  });
  return { ...base, labels: new Int32Array(), targets: values };
}

/** At most `count` items, evenly apart, so that all classes get their turn. */
function spread<T>(items: readonly T[], count: number): T[] {
  const step = Math.max(1, items.length / count);
  const picked: T[] = [];
  for (let at = 0; at < items.length && picked.length < count; at += step)
    picked.push(items[Math.floor(at)]!);
  return picked;
}
