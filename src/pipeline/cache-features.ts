/** `graft cache`: computes the features that a data set still lacks, of one feature layer or of several in one pass. */
import path from 'node:path';
import type { Dataset } from '../dataset/dataset.js';
import { type DataOptions, readDataset } from '../dataset/read-dataset.js';
import type { Skipped } from '../features/collect-rows.js';
import { extractFeatures } from '../features/extract-features.js';
import type { Division } from '../features/plan-workers.js';
import { FeatureStore } from '../features/feature-store.js';
import type { FeatureDType } from '../features/feature-key.js';
import { recordUsage } from '../features/usage-log.js';
import { boundLoops } from '../graph/bound-loops.js';
import { type Logger, type OnProgress, silentLogger } from '../logger.js';
import { layOutModel, type ModelLayout } from '../onnx/lay-out-model.js';
import { type NodeProvider, type ResolvedDevice, resolveDevice } from '../runtime/providers.js';
import type { Device } from '../runtime/session.js';
import { checkOptions, searchedOptions } from './check-options.js';
import { type Shard, shardBounds } from './choose-shard.js';
import { backbonesFolder, featuresFolder, inCacheFolder } from './cache-folder.js';
import { assertSameKind } from './assert-same-kind.js';
import {
  type Backbone,
  type BackboneHooks,
  type BackboneOptions,
  prepareBackbone,
  storeOf,
} from './prepare-backbone.js';
import { type LayerChoice, prepareLayers } from './prepare-layers.js';

export interface CacheOptions extends BackboneOptions, DataOptions {
  readonly data: string;
  readonly cache?: string | undefined;
  /** Type that rows are stored as; default float32. */
  readonly dtype?: FeatureDType | undefined;
  /** Only this part of the data set: several machines fill one store. */
  readonly shard?: Shard | undefined;
  /** Read and hash every file, also those whose size and times did not change. */
  readonly rehash?: boolean | undefined;
  readonly device?: Device | undefined;
  /** Most examples a run of the backbone. */
  readonly backboneBatch?: number | undefined;
  readonly threads?: number | undefined;
  readonly onError?: 'skip' | 'fail' | undefined;
  /** Whether the caller says what was left out; otherwise a warning names the first one. */
  readonly listsSkipped?: boolean | undefined;
}

/** How a pipeline function reports while it works. */
export interface Hooks {
  readonly logger?: Logger;
  readonly signal?: AbortSignal;
  readonly onProgress?: OnProgress;
}

export interface CacheReport {
  /** Folder of the store. */
  readonly store: string;
  readonly layer: string;
  readonly dim: number;
  readonly dtype: FeatureDType;
  /** Which part of the data set was looked at; null for all of it. */
  readonly shard: Shard | null;
  /** Of that part, as every number here. */
  readonly examples: number;
  readonly cached: number;
  readonly computed: number;
  readonly skipped: readonly Skipped[];
  readonly seconds: number;
  readonly examplesPerSecond: number;
}

export interface CachedFeatures {
  readonly report: CacheReport;
  /** Where the features were computed, or would have been. */
  readonly provider: NodeProvider;
  readonly backbone: Backbone;
  /** The model that gives the features of this backbone, and of the others that were cached in the same pass, each by its output. */
  readonly layOut: () => Promise<ModelLayout>;
  /** What was looked at: with a shard, only its examples. */
  readonly dataset: Dataset;
  readonly store: FeatureStore;
  /** sha256 of each example's bytes, 32 bytes a row in data set order; all zero where the example was skipped. */
  readonly keys: Uint8Array;
}

/** From options to the model whose outputs are cached; `examples` is their number. */
export type Prepare = (
  options: BackboneOptions,
  context: BackboneHooks,
  examples: number,
) => Promise<Backbone>;

/** @throws GraftError of the backbone, the data set, the device or the extraction. Finished shards are kept in every case. */
export async function cacheFeatures(
  options: CacheOptions,
  hooks: Hooks = {},
  prepare: Prepare = prepareBackbone,
): Promise<CachedFeatures> {
  checkOptions(options, ['backbone', 'data'], searchedOptions);
  const setting = await prepareSetting(options, hooks);
  const { dataset, backboneHooks } = setting;
  const backbone = await prepare(withPairs(options, dataset), backboneHooks, dataset.examples.length);
  const [cached] = await cacheOutputs(options, hooks, setting, [backbone], () =>
    // A loop that ended in the trials may go on forever on a photo.
    layOutModel(boundLoops(backbone.features)),
  );
  return cached!;
}

/**
 * Several feature layers of one backbone from one decode and one pass of the data; each has a store of its own, the same
 * one that caching it alone would fill. `layer` and `pool` of the options are not looked at.
 */
export async function cacheLayers(
  options: CacheOptions & { readonly layers: readonly LayerChoice[] },
  hooks: Hooks = {},
): Promise<CachedFeatures[]> {
  const setting = await prepareSetting(options, hooks);
  const { backbones, layOut } = await prepareLayers(
    withPairs(options, setting.dataset),
    options.layers,
    setting.backboneHooks,
  );
  return cacheOutputs(options, hooks, setting, backbones, layOut);
}

function withPairs(options: CacheOptions, { kind }: Dataset): CacheOptions {
  return kind === 'pairs' ? { ...options, takesPairs: true } : options;
}

interface Setting {
  readonly device: ResolvedDevice;
  readonly dataset: Dataset;
  readonly backboneHooks: BackboneHooks;
}

async function prepareSetting(
  options: CacheOptions,
  { logger = silentLogger, signal }: Hooks,
): Promise<Setting> {
  const device = await resolveDevice(options.device ?? 'auto');
  const whole = await readDataset(options.data, options, logger);
  const { start, end } = shardBounds(whole.examples.length, options.shard);
  const dataset = options.shard ? { ...whole, examples: whole.examples.slice(start, end) } : whole;
  const folder = backbonesFolder(options.cache);
  return { device, dataset, backboneHooks: { folder, logger, signal } };
}

/** @param layOut - the model that gives the features of all backbones at once */
async function cacheOutputs(
  options: CacheOptions,
  hooks: Hooks,
  { device, dataset }: Setting,
  backbones: readonly Backbone[],
  layOut: () => Promise<ModelLayout>,
): Promise<CachedFeatures[]> {
  const { logger = silentLogger } = hooks;
  const { dtype = 'float32' } = options;
  const { input } = backbones[0]!;
  assertSameKind(dataset, input, options.data);
  logger.info(device.explanation);
  const folder = featuresFolder(options.cache);
  const targets: { store: FeatureStore; output: string }[] = [];
  await inCacheFolder(options.cache, async () => {
    for (const backbone of backbones) {
      const store = await FeatureStore.open(folder, storeOf(backbone, dtype), logger);
      targets.push({ store, output: backbone.outputName });
    }
  });
  const extraction = await extractFeatures({
    model: layOut,
    input,
    targets,
    examples: dataset.examples,
    provider: device.provider,
    batch: options.backboneBatch,
    threads: options.threads,
    onError: options.onError,
    onProgress: hooks.onProgress,
    signal: hooks.signal,
    rehash: options.rehash,
  });
  const { cached, computed, skipped, seconds, examplesPerSecond, division, keys } = extraction;
  if (division && division.tried > 1) logger.info(describeDivision(division));
  if (skipped.length > 0 && !options.listsSkipped) {
    const [{ path: first, reason }] = skipped as [Skipped, ...Skipped[]];
    logger.warn(
      `${skipped.length} of ${dataset.examples.length} examples left out, the first one ${first}: ${reason.replace(/\.$/, '')}. ` +
        'graft cache lists them; --on-error fail stops instead.',
    );
  }
  const counts = { cached, computed, skipped, seconds, examplesPerSecond };
  const at = new Date().toISOString();
  return Promise.all(
    backbones.map(async (backbone, i): Promise<CachedFeatures> => {
      const { store } = targets[i]!;
      const { layer, dim } = backbone;
      await recordUsage(folder, path.basename(store.folder), {
        at,
        backbone: backbone.path,
        data: path.resolve(options.data),
        ...counts,
        skipped: skipped.length,
      });
      const examples = dataset.examples.length;
      const shard = options.shard ?? null;
      const report = { store: store.folder, layer, dim, dtype, shard, examples, ...counts };
      return { report, provider: device.provider, backbone, layOut, dataset, store, keys };
    }),
  );
}

function describeDivision({ workers, threads, tried }: Division & { readonly tried: number }): string {
  const of = (count: number, what: string) => `${count} ${what}${count === 1 ? '' : 's'}`;
  const inside = threads === undefined ? '' : ` of ${of(threads, 'thread')}`;
  return `${of(workers, 'session')}${inside} did most of it: the fastest of ${tried} ways to use the processor, tried on the way.`;
}
