/** `--views`: features of random views of the training photos, each view in a store of its own beside the plain one. */
import path from 'node:path';
import { selectKeys } from '../dataset/divide-dataset.js';
import { GraftError } from '../errors.js';
import { extractFeatures, type ExtractTarget } from '../features/extract-features.js';
import { viewName } from '../features/feature-key.js';
import { FeatureStore } from '../features/feature-store.js';
import { loadFeatures } from '../features/load-features.js';
import { recordUsage } from '../features/usage-log.js';
import { readAugment } from '../image/augment-spec.js';
import type { RandomView } from '../image/random-view.js';
import { type AnyFeatureSet, isInMemory } from '../train/feature-set.js';
import { stackStreamedViews, stackViews } from '../train/views.js';
import type { CachedFeatures, CacheOptions, Hooks } from './cache-features.js';
import { featuresFolder } from './cache-folder.js';
import { storeOf } from './prepare-backbone.js';
import { type Parts, rowsWithFeatures } from './split-features.js';

export interface ViewOptions {
  /** How many random views of each training photo; default none. */
  readonly views?: number | undefined;
  /** Names of operations or a JSON file; default crop, flip and color. */
  readonly augment?: string | undefined;
  readonly viewSeed?: number | undefined;
}

export interface ViewReport {
  /** Folders of the stores, view by view. */
  readonly stores: readonly string[];
  /** Photos that have views. */
  readonly examples: number;
  readonly cached: number;
  readonly computed: number;
  readonly seconds: number;
}

export interface CachedViews {
  readonly report: ViewReport;
  readonly stores: readonly FeatureStore[];
}

/** Before anything is cached. @throws GraftError USAGE for bad augmentations. */
export async function checkViewOptions({ views, augment }: ViewOptions): Promise<void> {
  if (views) await readAugment(augment);
}

/**
 * In one pass of the backbone for all views and layers.
 * @param layers - cached in one pass
 * @param rows - of the data set: those that train
 * @returns the views of each layer; the counts are of all together
 * @throws GraftError as `cacheFeatures`, USAGE for bad augmentations.
 */
export async function cacheViews(
  layers: readonly CachedFeatures[],
  rows: readonly number[],
  options: CacheOptions & ViewOptions,
  { logger, signal, onProgress }: Hooks = {},
): Promise<CachedViews[]> {
  const [{ backbone: first, dataset, provider, layOut }] = layers as readonly [CachedFeatures];
  if (first.input.kind === 'tokens')
    throw new GraftError('USAGE', '--views makes random views of photos; leave it away for texts.');
  const augment = await readAugment(options.augment);
  const folder = featuresFolder(options.cache);
  const targets: ExtractTarget[][] = [];
  for (const { backbone, store: plain } of layers) {
    const own: ExtractTarget[] = [];
    for (let number = 1; number <= (options.views ?? 0); number++) {
      const view: RandomView = { number, seed: options.viewSeed ?? 1, augment };
      const source = { ...storeOf(backbone, plain.format.dtype), view: viewName(view) };
      const store = await FeatureStore.open(folder, source, logger);
      own.push({ store, output: backbone.outputName, view });
    }
    targets.push(own);
  }
  const { cached, computed, skipped, seconds } = await extractFeatures({
    model: layOut,
    input: first.input,
    targets: targets.flat(),
    examples: dataset.examples.choose(rows),
    provider,
    batch: options.backboneBatch,
    threads: options.threads,
    onError: options.onError,
    onProgress,
    signal,
  });
  const counts = { cached, computed, seconds };
  const at = new Date().toISOString();
  const found: CachedViews[] = [];
  for (const [i, { backbone }] of layers.entries()) {
    const stores = targets[i]!.map(({ store }) => store);
    const use = { at, backbone: backbone.path, data: path.resolve(options.data) };
    for (const { folder: of } of stores) {
      await recordUsage(folder, path.basename(of), { ...use, ...counts, skipped: skipped.length });
    }
    const report = { stores: stores.map(({ folder: of }) => of), examples: rows.length, ...counts };
    found.push({ report, stores });
  }
  return found;
}

/** The training part with the views of its photos stacked below it. */
export async function addViews(
  { rows, train, open }: Parts,
  { keys }: CachedFeatures,
  { stores }: CachedViews,
): Promise<AnyFeatureSet> {
  const wanted = selectKeys(keys, rows.train);
  if (!isInMemory(train)) {
    return stackStreamedViews(train, await Promise.all(stores.map((store) => open(store, wanted))));
  }
  const views: Float32Array[] = [];
  for (const store of stores) views.push(await loadFeatures(store, wanted));
  return stackViews(train, views);
}

/** Rows of the data set that it does not itself hold out, and that have features. */
export function rowsToView({ dataset, keys }: CachedFeatures): number[] {
  const { examples } = dataset;
  return rowsWithFeatures(dataset, keys).filter((row) => (examples.at(row).split ?? 'train') === 'train');
}
