/** Which examples train and which validate: the data set's own parts where it has them, else a stratified seeded split. */
import type { Dataset } from '../dataset/dataset.js';
import { readDataset } from '../dataset/read-dataset.js';
import { splitDataset } from '../dataset/split-dataset.js';
import { GraftError } from '../errors.js';
import { loadFeatures } from '../features/load-features.js';
import type { FeatureSet } from '../train/feature-set.js';
import type { CachedFeatures, CacheOptions } from './cache-features.js';

export interface SplitOptions {
  /** Share held out for validation; 0 trains on everything. */
  readonly validation?: number | undefined;
  readonly seed?: number | undefined;
}

/** Verification looks at this many images. */
const verifyCount = 32;

/**
 * Reads the data set's list alone, so that one that cannot be split does not cost hours of caching first.
 * @throws GraftError INVALID_DATASET
 */
export async function assertSplittable(options: CacheOptions & SplitOptions): Promise<void> {
  const { examples, classes } = await readDataset(options.data, options);
  const isGiven = examples.some(({ split }) => split === 'validation');
  const labels = examples.filter(({ split }) => (split ?? 'train') === 'train').map(({ label }) => label);
  if (!isGiven) splitDataset(labels, classes.length, { validation: options.validation ?? 0.2 });
}

export interface Parts {
  readonly train: FeatureSet;
  readonly validation: FeatureSet | undefined;
  /** Rows of the data set in each part. */
  readonly rows: { readonly train: readonly number[]; readonly validation: readonly number[] };
  /** Rows of the data set to verify on: spread over the validation part, else over the training part. */
  readonly held: readonly number[];
}

/** Splits and loads. */
export async function splitFeatures(cached: CachedFeatures, options: SplitOptions): Promise<Parts> {
  const { dataset, keys, store } = cached;
  const usable = rowsWithFeatures(dataset, keys);
  const partOf = (part: 'train' | 'validation') =>
    usable.filter((row) => (dataset.examples[row]!.split ?? 'train') === part);
  let train = partOf('train');
  let validation = partOf('validation');
  const share = options.validation ?? 0.2;
  if (validation.length === 0 && share > 0) {
    const labels = train.map((row) => dataset.examples[row]!.label);
    const split = splitDataset(labels, dataset.classes.length, {
      validation: share,
      seed: options.seed ?? 1,
      keys: selectKeys(keys, train),
    });
    const rows = train;
    train = Array.from(split.train, (i) => rows[i]!);
    validation = Array.from(split.validation, (i) => rows[i]!);
  }
  assertEveryClass(train, dataset);
  const select = async (rows: readonly number[]): Promise<FeatureSet> => ({
    features: await loadFeatures(store, selectKeys(keys, rows)),
    dim: cached.backbone.dim,
    rows: rows.length,
    labels: Int32Array.from(rows, (row) => dataset.examples[row]!.label),
    classes: dataset.classes,
  });
  return {
    train: await select(train),
    validation: validation.length > 0 ? await select(validation) : undefined,
    rows: { train, validation },
    held: spread(validation.length > 0 ? validation : train, verifyCount),
  };
}

/** sha256 of these rows, [rows, 32]. */
export function selectKeys(keys: Uint8Array, rows: readonly number[]): Uint8Array {
  const selected = new Uint8Array(rows.length * 32);
  for (const [i, row] of rows.entries()) selected.set(keys.subarray(row * 32, (row + 1) * 32), i * 32);
  return selected;
}

function rowsWithFeatures(dataset: Dataset, keys: Uint8Array): number[] {
  const rows: number[] = [];
  for (let row = 0; row < dataset.examples.length; row++) {
    if (keys.subarray(row * 32, row * 32 + 32).some((byte) => byte !== 0)) rows.push(row);
  }
  return rows;
}

function assertEveryClass(rows: readonly number[], { examples, classes, root }: Dataset): void {
  const seen = new Set(rows.map((row) => examples[row]!.label));
  const empty = classes.filter((_, label) => !seen.has(label));
  if (empty.length === 0) return;
  throw new GraftError(
    'INVALID_DATASET',
    `No usable training image is left for ${empty.length === 1 ? 'class' : 'classes'} ${empty.join(', ')} of ${root}; ` +
      'add images or remove the class.',
  );
}

/** At most `count` items, evenly apart, so that all classes get their turn. */
function spread<T>(items: readonly T[], count: number): T[] {
  const step = Math.max(1, items.length / count);
  const picked: T[] = [];
  for (let at = 0; at < items.length && picked.length < count; at += step)
    picked.push(items[Math.floor(at)]!);
  return picked;
}
