/** `graft train`: caches what is missing, trains the head, writes the run folder. */
import path from 'node:path';
import type { TrainedHead } from '../heads/head.js';
import { buildHead } from '../heads/build-head.js';
import { silentLogger } from '../logger.js';
import type { TaskKind } from '../tasks/task.js';
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
import { type HeadOptions, headSpec, headTraining } from './head-options.js';
import { fineTuneRun } from './fine-tune-run.js';
import { assertSplittable, type Parts, type SplitOptions, splitFeatures } from './split-features.js';
import { claimRunFolder, type RunConfig, writeRunFolder } from './run-folder.js';

export interface TrainOptions extends CacheOptions, SplitOptions, HeadOptions {
  readonly out: string;
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
  readonly warmStart?: boolean | undefined;
  readonly patience?: number | undefined;
}

export interface TrainReport {
  readonly run: string;
  readonly task: TaskKind;
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
}

export interface TrainedRun {
  readonly report: TrainReport;
  readonly cache: CacheReport;
}

export async function trainRun(options: TrainOptions, hooks: Hooks = {}): Promise<TrainedRun> {
  const folder = path.resolve(options.out);
  await claimRunFolder(folder);
  const { task, classes } = await assertSplittable(options);
  // What does not go together is said before hours of caching.
  if (options.unfreeze === undefined) headTraining(options, task);
  buildHead(headSpec(options), { dim: 1, outputCount: classes.length, task });
  const fit = options.unfreeze === undefined ? fitHead : fineTuneRun;
  const { cached, parts, result, training, weights, headAlone } = await fit(options, hooks);
  const { report: cache, backbone, dataset } = cached;
  const report: TrainReport = {
    run: folder,
    task: result.head.task,
    classes: result.head.classes,
    examples: { train: parts.train.rows, validation: parts.validation?.rows ?? 0 },
    train: result.train,
    validation: result.validation ?? null,
    objective: result.objective,
    seconds: result.seconds,
    stoppedAt: result.stoppedAt,
    ...(headAlone && { headAlone }),
  };
  const config: RunConfig = {
    version: packageVersion(),
    backbone: backbone.path,
    backboneSha256: backbone.sha256,
    layer: backbone.layer,
    pool: backbone.pool,
    preprocess: backbone.preprocess,
    data: dataset.root,
    classes: result.head.classes,
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
}

async function fitHead(options: TrainOptions, hooks: Hooks): Promise<FittedRun> {
  const { logger = silentLogger, signal } = hooks;
  const cached = await cacheFeatures(options, hooks);
  const parts = await splitFeatures(cached, options, logger);
  const training: HeadTrainOptions = {
    ...headTraining(options, cached.dataset.task),
    ...(options.threads !== undefined && { threads: options.threads }),
  };
  const result = await trainHead(parts.train, parts.validation, {
    ...training,
    logger,
    ...(signal && { signal }),
  });
  return { cached, parts, result, training: { ...training } };
}
