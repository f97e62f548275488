/** `graft train`: caches what is missing, trains the head, writes the run folder. */
import path from 'node:path';
import type { Dataset } from '../dataset/dataset.js';
import { readDataset } from '../dataset/read-dataset.js';
import { splitDataset } from '../dataset/split-dataset.js';
import { GraftError } from '../errors.js';
import { loadFeatures } from '../features/load-features.js';
import { silentLogger } from '../logger.js';
import type { FeatureSet } from '../train/feature-set.js';
import { type TrainOptions as HeadTrainOptions, trainHead } from '../train/train-head.js';
import { packageVersion } from '../version.js';
import {
  type CachedFeatures,
  type CacheOptions,
  type CacheReport,
  cacheFeatures,
  type Hooks,
} from './cache-features.js';
import { claimRunFolder, type RunConfig, writeRunFolder } from './run-folder.js';

export interface TrainOptions extends CacheOptions {
  readonly out: string;
  readonly head?: 'linear' | undefined;
  readonly solver?: 'lbfgs' | 'adamw' | 'sgd' | undefined;
  readonly l2?: number | undefined;
  readonly lr?: number | undefined;
  readonly epochs?: number | undefined;
  readonly batch?: number | undefined;
  readonly standardize?: boolean | undefined;
  /** Share held out for validation; 0 trains on everything. */
  readonly validation?: number | undefined;
  readonly seed?: number | undefined;
}

export interface TrainReport {
  readonly run: string;
  readonly classes: readonly string[];
  readonly examples: { readonly train: number; readonly validation: number };
  readonly train: { readonly accuracy: number; readonly loss: number };
  readonly validation: { readonly accuracy: number; readonly macroF1: number; readonly loss: number } | null;
  /** Sum of the example losses + λ/2·‖W‖² at the end. */
  readonly objective: number;
  /** The fit alone. */
  readonly seconds: number;
  readonly stoppedAt: number;
}

export interface TrainedRun {
  readonly report: TrainReport;
  readonly cache: CacheReport;
}

/** Verification looks at this many images. */
const verifyCount = 32;

export async function trainRun(options: TrainOptions, hooks: Hooks = {}): Promise<TrainedRun> {
  const { logger = silentLogger } = hooks;
  const folder = path.resolve(options.out);
  await claimRunFolder(folder);
  // A data set that cannot be split must not cost hours of caching first.
  await assertSplittable(options);
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
  const result = await trainHead(parts.train, parts.validation, {
    ...training,
    logger,
    ...(hooks.signal && { signal: hooks.signal }),
  });
  const report: TrainReport = {
    run: folder,
    classes: cached.dataset.classes,
    examples: { train: parts.train.rows, validation: parts.validation?.rows ?? 0 },
    train: result.train,
    validation: result.validation ?? null,
    objective: result.objective,
    seconds: result.seconds,
    stoppedAt: result.stoppedAt,
  };
  const { backbone, dataset } = cached;
  const config: RunConfig = {
    version: packageVersion(),
    backbone: backbone.path,
    backboneSha256: backbone.sha256,
    layer: backbone.layer,
    pool: backbone.pool,
    preprocess: backbone.preprocess,
    data: dataset.root,
    classes: dataset.classes,
    verifyImages: parts.held.slice(0, verifyCount).map((row) => dataset.examples[row]!.path),
    training: { ...training, validation: options.validation ?? 0.2 },
  };
  await writeRunFolder(folder, { config, history: result.history, result: report, head: result.head });
  return { report, cache: cached.report };
}

async function assertSplittable(options: TrainOptions): Promise<void> {
  const { examples, classes } = await readDataset(options.data, options);
  const isGiven = examples.some(({ split }) => split === 'validation');
  const labels = examples.filter(({ split }) => (split ?? 'train') === 'train').map(({ label }) => label);
  if (!isGiven) splitDataset(labels, classes.length, { validation: options.validation ?? 0.2 });
}

interface Parts {
  readonly train: FeatureSet;
  readonly validation: FeatureSet | undefined;
  /** Rows of the data set to verify on: spread over the validation part, else over the training part. */
  readonly held: readonly number[];
}

/** The data set's own parts where it has them, else a stratified seeded split. */
async function splitFeatures(cached: CachedFeatures, options: TrainOptions): Promise<Parts> {
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
    held: spread(validation.length > 0 ? validation : train, verifyCount),
  };
}

function selectKeys(keys: Uint8Array, rows: readonly number[]): Uint8Array {
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
