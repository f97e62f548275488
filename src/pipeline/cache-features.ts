/** `graft cache`: computes the features that a data set still lacks. */
import path from 'node:path';
import type { Dataset } from '../dataset/dataset.js';
import { type DataOptions, readDataset } from '../dataset/read-dataset.js';
import { extractFeatures, type Skipped } from '../features/extract-features.js';
import { FeatureStore } from '../features/feature-store.js';
import { type Logger, type OnProgress, silentLogger } from '../logger.js';
import { resolveDevice } from '../runtime/providers.js';
import type { Device } from '../runtime/session.js';
import { cacheFolder } from './cache-folder.js';
import { type Backbone, type BackboneOptions, encodeFeatures, prepareBackbone } from './prepare-backbone.js';

export interface CacheOptions extends BackboneOptions, DataOptions {
  readonly data: string;
  readonly cache?: string | undefined;
  readonly device?: Device | undefined;
  /** Images a run of the backbone. */
  readonly backboneBatch?: number | undefined;
  readonly threads?: number | undefined;
  readonly onError?: 'skip' | 'fail' | undefined;
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
  readonly examples: number;
  readonly cached: number;
  readonly computed: number;
  readonly skipped: readonly Skipped[];
  readonly seconds: number;
  readonly examplesPerSecond: number;
}

export interface CachedFeatures {
  readonly report: CacheReport;
  readonly backbone: Backbone;
  readonly dataset: Dataset;
  readonly store: FeatureStore;
  /** sha256 of each example's bytes, 32 bytes a row in data set order; all zero where the example was skipped. */
  readonly keys: Uint8Array;
}

/** From options to the model whose outputs are cached; `examples` is their number. */
export type Prepare = (
  options: BackboneOptions,
  context: { readonly folder: string; readonly logger: Logger },
  examples: number,
) => Promise<Backbone>;

export async function cacheFeatures(
  options: CacheOptions,
  hooks: Hooks = {},
  prepare: Prepare = prepareBackbone,
): Promise<CachedFeatures> {
  const { logger = silentLogger } = hooks;
  const folder = cacheFolder(options.cache);
  const device = await resolveDevice(options.device ?? 'auto');
  const dataset = await readDataset(options.data, options, logger);
  const backbone = await prepare(
    options,
    { folder: path.join(folder, 'backbones'), logger },
    dataset.examples.length,
  );
  logger.info(device.explanation);
  const { layer, pool, preprocess, dim } = backbone;
  const store = await FeatureStore.open(
    path.join(folder, 'features'),
    { backboneSha256: backbone.sha256, layer, pool, preprocess, dim },
    logger,
  );
  const extraction = await extractFeatures({
    model: () => encodeFeatures(backbone),
    input: backbone.inputName,
    output: backbone.outputName,
    preprocess,
    examples: dataset.examples,
    store,
    provider: device.provider,
    batch: options.backboneBatch,
    threads: options.threads,
    onError: options.onError,
    onProgress: hooks.onProgress,
    signal: hooks.signal,
  });
  const { cached, computed, skipped, seconds, examplesPerSecond, keys } = extraction;
  const report: CacheReport = {
    store: store.folder,
    layer,
    dim,
    examples: dataset.examples.length,
    cached,
    computed,
    skipped,
    seconds,
    examplesPerSecond,
  };
  return { report, backbone, dataset, store, keys };
}
