/** `graft train`: caches what is missing (or reads features made elsewhere), trains the head, writes the run folder. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { buildHead } from '../heads/build-head.js';
import { GraftError } from '../errors.js';
import { silentLogger } from '../logger.js';
import { identifyInput, type TokenizerFiles } from '../models/input-spec.js';
import type { TaskKind } from '../tasks/task.js';
import type { Tensor } from '../tensor/tensor.js';
import type { Targets } from '../tasks/targets.js';
import type { EpochRecord, Score, Solver, TrainResult } from '../train/train-head.js';
import { packageVersion } from '../version.js';
import type { CachedFeatures, CacheOptions, CacheReport, Hooks } from './cache-features.js';
import { assertCalibratable, type Calibration } from './calibrate-head.js';
import type { ViewOptions, ViewReport } from './cache-views.js';
import { figuresOfEvaluation, type RunEvaluation } from './evaluate-run.js';
import { type HeadOptions, headSpec, headTraining } from './head-options.js';
import { fineTuneRun } from './fine-tune-run.js';
import { fitFeatureFile } from './fit-feature-file.js';
import { fitOnBackbone } from './fit-on-backbone.js';
import { assertTrackable, openTrackers, type TrackingOptions } from './open-trackers.js';
import { runEnvironment } from './run-environment.js';
import { assertWritableFolder, writeRunFolder } from './run-folder.js';
import { openProgress, type RunIdentity, type RunProgress } from './run-progress.js';
import { assertSplittable, type SplitOptions } from './split-features.js';

/** How a head is trained, whatever its features come from. */
export interface FitOptions extends SplitOptions, HeadOptions, TrackingOptions {
  readonly out: string;
  readonly threads?: number | undefined;
  /** Fits a temperature on the validation part, so that probabilities mean what they say. */
  readonly calibrate?: boolean | undefined;
  /** True: there must be an unfinished run; false: begin again; default: go on where there is one of the same settings. */
  readonly resume?: boolean | undefined;
  /** Least seconds between two checkpoints (30). */
  readonly checkpointSeconds?: number | undefined;
}

export interface TrainOptions extends CacheOptions, FitOptions, ViewOptions {
  /** Value of the backbone after which everything is trained too. */
  readonly unfreeze?: string | undefined;
  /** Learning rate of the unfrozen layers; default: 0.1 of the head's. */
  readonly tailLr?: number | undefined;
  readonly layerDecay?: number | undefined;
  readonly warmStart?: boolean | undefined;
  /** Epochs in which the layers join, those nearest the head first. */
  readonly gradual?: number | undefined;
}

export interface FeatureTrainOptions extends FitOptions {
  /** A safetensors file with features and labels, in place of a backbone and a data set. */
  readonly features: string;
  /** single or ordered; the classes are in their order then. */
  readonly task?: TaskKind | undefined;
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
  /** Epoch, or with lbfgs iteration, whose weights were kept. */
  readonly stoppedAt: number;
  /** Undefined for the prototypes, which need none. */
  readonly solver?: Solver | undefined;
  /** With --unfreeze: what the head alone reached before the layers under it moved. */
  readonly headAlone?: { readonly train: Score; readonly validation?: Score };
  /** With --knn: what the k nearest training examples predict of the validation part. */
  readonly neighbours?: Score & { readonly k: number };
  /** Figures of the head as it is kept, on the validation part (or the training part where there is no other). */
  readonly metrics?: { readonly part: RunEvaluation['part'] } & Readonly<Record<string, unknown>>;
  readonly calibration?: Calibration;
  /** With --views: what caching them took. */
  readonly views?: ViewReport;
}

export interface TrainedRun {
  readonly report: TrainReport;
  /** Absent where the features came from a file. */
  readonly cache?: CacheReport;
}

/** What a way of training is given beside its options. */
export interface FitContext extends Hooks {
  /** Told of every epoch. */
  readonly onEpoch: (record: EpochRecord) => void;
  /** Once the data are known: what to go on from, and where to keep the state. Until then nothing of the folder changes. */
  begin(identity: RunIdentity): Promise<RunProgress['checkpoint']>;
}

/** What every way of training gives to the run folder. */
export interface FittedRun {
  readonly parts: { readonly train: Targets; readonly validation: Targets | undefined };
  readonly result: Omit<TrainResult, 'trained'>;
  readonly config: RunConfigSource;
  readonly training: Readonly<Record<string, unknown>>;
  readonly evaluation: RunEvaluation;
  /** New values of backbone weights, by name. */
  readonly weights?: ReadonlyMap<string, Tensor>;
  readonly headAlone?: TrainReport['headAlone'];
  readonly views?: ViewReport | undefined;
  readonly neighbours?: TrainReport['neighbours'];
}

/** Its backbone is the one that the head stands on; `held` are rows of its data set to verify on. */
export type RunConfigSource =
  | { readonly cached: CachedFeatures; readonly held: readonly number[] }
  | { readonly features: string; readonly dim: number };

export async function trainRun(
  options: TrainOptions | FeatureTrainOptions,
  hooks: Hooks = {},
): Promise<TrainedRun> {
  const { logger = silentLogger } = hooks;
  assertCalibratable(options);
  assertTrackable(options);
  assertViewable(options);
  assertStreamable(options);
  const folder = path.resolve(options.out);
  await assertWritableFolder(folder);
  const isOfFile = 'features' in options;
  if (isOfFile || options.unfreeze === undefined) refuseTailOptions(options as TrainOptions);
  if (!isOfFile) {
    const { task, classes } = await assertSplittable(options);
    // What does not go together is said before hours of caching.
    if (options.unfreeze === undefined) headTraining(options, task);
    else refuseHeadOptions(options);
    buildHead(headSpec(options), { dim: 1, outputCount: classes.length, task });
  }
  const environment = await runEnvironment(options);
  let progress: RunProgress | undefined;
  const begin: FitContext['begin'] = async (identity) => {
    const run = {
      name: path.basename(folder),
      parameters: flatten(identity.settings),
      tags: {
        ...(isOfFile ? { features: options.features } : { backbone: options.backbone, data: options.data }),
      },
    };
    progress = await openProgress(
      folder,
      { ...identity, environment, options: toGoOnWith(options) },
      {
        ...options,
        logger,
        track: (isResumed) => openTrackers(folder, run, { ...options, isResumed }, logger),
      },
    );
    return progress.checkpoint;
  };
  const context: FitContext = { ...hooks, begin, onEpoch: (record) => progress?.onEpoch(record) };
  try {
    const fitted = isOfFile
      ? await fitFeatureFile(options, context)
      : await (options.unfreeze === undefined ? fitOnBackbone : fineTuneRun)(options, context);
    const { parts, result, training, evaluation, weights, headAlone, views } = fitted;
    const { classes } = parts.train;
    const report: TrainReport = {
      run: folder,
      task: result.head.task,
      classes,
      examples: { train: parts.train.rows, validation: parts.validation?.rows ?? 0 },
      train: result.train,
      validation: result.validation ?? null,
      objective: result.objective,
      seconds: result.seconds,
      stoppedAt: result.stoppedAt,
      ...(result.head.spec.kind !== 'prototype' && { solver: (training.solver ?? 'adamw') as Solver }),
      ...(headAlone && { headAlone }),
      ...(views && { views }),
      ...(fitted.neighbours && { neighbours: fitted.neighbours }),
      metrics: metricsOf(evaluation),
      ...(evaluation.calibration && { calibration: evaluation.calibration }),
    };
    await writeRunFolder(folder, {
      config: {
        ...sourceConfig(fitted.config),
        version: packageVersion(),
        classes,
        training: { ...training, validation: options.validation ?? 0.2 },
        environment,
      },
      history: result.history,
      result: report,
      evaluation,
      head: result.head,
      ...(weights && { weights }),
      tokenizer: tokenizerOf(fitted.config),
    });
    await progress?.end('finished', finalFigures(report));
    return { report, ...('cached' in fitted.config && { cache: fitted.config.cached.report }) };
  } catch (error) {
    const isKilled = error instanceof GraftError && error.code === 'INTERRUPTED';
    await progress?.end(isKilled ? 'killed' : 'failed', {});
    throw error;
  }
}

/** @throws GraftError USAGE for what has no meaning with --unfreeze. */
export function refuseHeadOptions({ mixup, dropout, knn }: Partial<TrainOptions>): void {
  const flag = mixup ? 'mixup' : dropout ? 'dropout' : knn ? 'knn' : undefined;
  if (flag === undefined) return;
  throw new GraftError('USAGE', `--${flag} is not for training with --unfreeze; leave it away.`);
}

/** @throws GraftError USAGE for what has a meaning with --unfreeze alone. */
function refuseTailOptions({ tailLr, layerDecay, gradual }: TrainOptions): void {
  const given = { 'tail-lr': tailLr, 'layer-decay': layerDecay, gradual };
  const [flag] = Object.entries(given).find(([, value]) => value !== undefined) ?? [];
  if (flag === undefined) return;
  throw new GraftError(
    'USAGE',
    `--${flag} is about the layers that --unfreeze trains; name one with --unfreeze, or leave --${flag} away.`,
  );
}

function assertViewable(options: TrainOptions | FeatureTrainOptions): void {
  const { views, unfreeze, features } = options as Partial<TrainOptions & FeatureTrainOptions>;
  const other = unfreeze !== undefined ? '--unfreeze' : features !== undefined ? '--features' : undefined;
  if (!views || !other) return;
  throw new GraftError(
    'USAGE',
    `--views makes views of photos for a head alone and does not go with ${other}; leave one of them out.`,
  );
}

/** @throws GraftError USAGE for what needs all features in memory. */
export function assertStreamable({ stream, knn }: Pick<FitOptions, 'stream' | 'knn'>): void {
  if (!stream || knn === undefined) return;
  throw new GraftError(
    'USAGE',
    '--knn compares with all training features at once, which --stream leaves on disk; leave one of them out.',
  );
}

function tokenizerOf(source: RunConfigSource): TokenizerFiles | undefined {
  const input = 'features' in source ? undefined : source.cached.backbone.input;
  return input?.kind === 'tokens' ? input.tokenizer : undefined;
}

/** The part of the configuration that tells where the features come from. */
function sourceConfig(source: RunConfigSource) {
  if ('features' in source) return { features: source.features, dim: source.dim };
  const { backbone, dataset } = source.cached;
  return {
    backbone: backbone.path,
    backboneSha256: backbone.sha256,
    layer: backbone.layer,
    pool: backbone.pool,
    ...identifyInput(backbone.input),
    data: dataset.root,
    verifyImages: source.held.map((row) => {
      const { path: file, source: place } = dataset.examples.at(row);
      return place ? { path: file, source: place } : file;
    }),
  };
}

/** Options that hold in another working directory too, and without the password that an address may hold. */
function toGoOnWith(options: TrainOptions | FeatureTrainOptions): Readonly<Record<string, unknown>> {
  const { mlflow, ...rest } = options;
  return {
    ...rest,
    ...('data' in options && { data: path.resolve(options.data) }),
    ...('features' in options && { features: path.resolve(options.features) }),
    ...('backbone' in options &&
      existsSync(options.backbone) && { backbone: path.resolve(options.backbone) }),
    ...('tokenizer' in options &&
      options.tokenizer !== undefined && { tokenizer: path.resolve(options.tokenizer) }),
    ...(mlflow !== undefined && !mlflow.includes('@') && { mlflow }),
  };
}

/** What fits into a report of a few lines; all of it is in `evaluation.json`. */
function metricsOf({ part, evaluation }: RunEvaluation): NonNullable<TrainReport['metrics']> {
  const pairs = 'confusedPairs' in evaluation ? { confusedPairs: evaluation.confusedPairs } : {};
  const intervals = 'intervals' in evaluation ? { intervals: evaluation.intervals } : {};
  return { part, ...figuresOfEvaluation(evaluation), ...intervals, ...pairs };
}

function finalFigures({
  train,
  validation,
  metrics,
  objective,
  stoppedAt,
}: TrainReport): Record<string, number> {
  const named: [string, unknown][] = [
    ...Object.entries(train).map(([name, value]) => [`train/${name}`, value] as [string, unknown]),
    ...Object.entries({ ...validation, ...(metrics?.part === 'validation' && metrics) }).map(
      ([name, value]) => [`validation/${name}`, value] as [string, unknown],
    ),
    ['objective', objective],
    ['stoppedAt', stoppedAt],
  ];
  return Object.fromEntries(
    named.filter(
      (entry): entry is [string, number] => typeof entry[1] === 'number' && Number.isFinite(entry[1]),
    ),
  );
}

/** @example flatten({ l2: 1, head: { kind: 'mlp' } }) // { l2: 1, 'head.kind': 'mlp' } */
function flatten(
  settings: Readonly<Record<string, unknown>>,
  prefix = '',
): Record<string, string | number | boolean> {
  return Object.fromEntries(
    Object.entries(settings).flatMap(([name, value]) => {
      if (value === undefined || value === null) return [];
      if (typeof value === 'object' && !Array.isArray(value)) {
        return Object.entries(flatten(value as Record<string, unknown>, `${prefix}${name}.`));
      }
      const isPlain = typeof value === 'number' || typeof value === 'boolean' || typeof value === 'string';
      const shown = isPlain ? value : JSON.stringify(value);
      return [[`${prefix}${name}`, shown] as const];
    }),
  );
}
