/** `graft train`: caches what is missing, trains the head, writes the run folder. */
import path from 'node:path';
import { GraftError } from '../errors.js';
import type { TrainedHead } from '../heads/head.js';
import { silentLogger } from '../logger.js';
import type { Tensor } from '../tensor/tensor.js';
import {
  type Score,
  type TrainOptions as HeadTrainOptions,
  trainHead,
  type TrainResult,
} from '../train/train-head.js';
import { packageVersion } from '../version.js';
import {
  type CachedFeatures,
  type CacheOptions,
  type CacheReport,
  cacheFeatures,
  type Hooks,
} from './cache-features.js';
import { addViews, cacheViews, type ViewOptions, type ViewReport } from './cache-views.js';
import { fineTuneRun } from './fine-tune-run.js';
import { assertSplittable, type Parts, type SplitOptions, splitFeatures } from './split-features.js';
import { claimRunFolder, type RunConfig, writeRunFolder } from './run-folder.js';

export interface TrainOptions extends CacheOptions, SplitOptions, ViewOptions {
  readonly out: string;
  readonly head?: 'linear' | undefined;
  readonly solver?: 'lbfgs' | 'adamw' | 'sgd' | undefined;
  readonly l2?: number | undefined;
  readonly lr?: number | undefined;
  readonly epochs?: number | undefined;
  readonly batch?: number | undefined;
  readonly standardize?: boolean | undefined;
  /** Value of the backbone after which everything is trained too. */
  readonly unfreeze?: string | undefined;
  /** Learning rate of the unfrozen layers; default: 0.1 of the head's. */
  readonly tailLr?: number | undefined;
  readonly layerDecay?: number | undefined;
  readonly weightDecay?: number | undefined;
  readonly clipNorm?: number | undefined;
  readonly ema?: number | undefined;
  readonly warmStart?: boolean | undefined;
  readonly patience?: number | undefined;
}

export interface TrainReport {
  readonly run: string;
  readonly classes: readonly string[];
  readonly examples: { readonly train: number; readonly validation: number };
  readonly train: Score;
  readonly validation: Score | null;
  /** Sum of the example losses + λ/2·‖W‖² at the end. */
  readonly objective: number;
  /** The fit alone. */
  readonly seconds: number;
  readonly stoppedAt: number;
  /** With --unfreeze: what the head alone reached before the layers under it moved. */
  readonly headAlone?: { readonly train: Score; readonly validation?: Score };
  /** With --views: what caching them took. */
  readonly views?: ViewReport;
}

export interface TrainedRun {
  readonly report: TrainReport;
  readonly cache: CacheReport;
}

export async function trainRun(options: TrainOptions, hooks: Hooks = {}): Promise<TrainedRun> {
  const folder = path.resolve(options.out);
  await claimRunFolder(folder);
  await assertSplittable(options);
  if (options.views && options.unfreeze !== undefined) {
    throw new GraftError(
      'USAGE',
      '--views goes with a head alone, not with --unfreeze; leave one of them out.',
    );
  }
  const fit = options.unfreeze === undefined ? fitHead : fineTuneRun;
  const { cached, parts, result, training, weights, headAlone, views } = await fit(options, hooks);
  const { report: cache, backbone, dataset } = cached;
  const report: TrainReport = {
    run: folder,
    classes: dataset.classes,
    examples: { train: parts.train.rows, validation: parts.validation?.rows ?? 0 },
    train: result.train,
    validation: result.validation ?? null,
    objective: result.objective,
    seconds: result.seconds,
    stoppedAt: result.stoppedAt,
    ...(headAlone && { headAlone }),
    ...(views && { views }),
  };
  const config: RunConfig = {
    version: packageVersion(),
    backbone: backbone.path,
    backboneSha256: backbone.sha256,
    layer: backbone.layer,
    pool: backbone.pool,
    preprocess: backbone.preprocess,
    data: dataset.root,
    classes: dataset.classes,
    verifyImages: parts.held.map((row) => {
      const { path: file, source } = dataset.examples[row]!;
      return source ? { path: file, source } : file;
    }),
    training: { ...training, validation: options.validation ?? 0.2 },
  };
  await writeRunFolder(folder, {
    config,
    history: result.history,
    result: report,
    head: result.head,
    ...(weights && { weights }),
  });
  return { report, cache };
}

/** What either way of training gives to the run folder. */
export interface FittedRun {
  /** Its backbone is the one that the head stands on. */
  readonly cached: CachedFeatures;
  readonly parts: Parts;
  readonly result: Omit<TrainResult, 'head'> & { readonly head: TrainedHead };
  readonly training: Readonly<Record<string, unknown>>;
  /** New values of backbone weights, by name. */
  readonly weights?: ReadonlyMap<string, Tensor>;
  readonly headAlone?: TrainReport['headAlone'];
  readonly views?: ViewReport;
}

async function fitHead(options: TrainOptions, hooks: Hooks): Promise<FittedRun> {
  const { logger = silentLogger, signal } = hooks;
  const cached = await cacheFeatures(options, hooks);
  const parts = await splitFeatures(cached, options);
  const training: HeadTrainOptions = {
    head: { kind: options.head ?? 'linear' },
    solver: options.solver ?? 'lbfgs',
    l2: options.l2 ?? 1,
    standardize: options.standardize ?? true,
    seed: options.seed ?? 1,
    ...(options.lr !== undefined && { lr: options.lr }),
    ...(options.epochs !== undefined && { epochs: options.epochs }),
    ...(options.batch !== undefined && { batch: options.batch }),
    ...(options.threads !== undefined && { threads: options.threads }),
  };
  const views = options.views ? await cacheViews(cached, parts.trainRows, options, hooks) : undefined;
  const train = views ? await addViews(parts, cached, views) : parts.train;
  const result = await trainHead(train, parts.validation, {
    ...training,
    logger,
    ...(signal && { signal }),
  });
  const { views: count, augment, viewSeed } = options;
  return {
    cached,
    parts,
    result,
    training: { ...training, ...(views && { views: count, augment, viewSeed }) },
    ...(views && { views: views.report }),
  };
}
