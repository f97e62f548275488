/**
 * `graft tune`: caches the features of one layer or several, judges candidates by cross-validation, trains the one that
 * is kept on all training data as `graft train` does, and writes what was found into the run folder.
 */
import { createHash } from 'node:crypto';
import path from 'node:path';
import { assignFolds } from '../dataset/assign-folds.js';
import { GraftError } from '../errors.js';
import { buildHead } from '../heads/build-head.js';
import { silentLogger } from '../logger.js';
import { createRng } from '../rng.js';
import { taskOf } from '../tasks/task-of.js';
import type { Pool } from '../graph/pool-features.js';
import type { FigureName } from '../tasks/task.js';
import { sizeOf } from '../tensor/shape.js';
import type { Judged, LayerCandidate } from '../train/candidate.js';
import { crossValidate } from '../train/cross-validate.js';
import { findRate, type RateTest } from '../train/find-rate.js';
import { type LearningCurve, measureLearningCurve } from '../train/learning-curve.js';
import type { FeatureSet } from '../train/feature-set.js';
import { type Select, selectCandidate } from '../train/select-candidate.js';
import { writeDurably } from '../write-durably.js';
import type { Hooks } from './cache-features.js';
import { loadPlaces, type Place } from './load-places.js';
import { type GridOptions, parseGrid } from './search-grid.js';
import { openLog, sameCandidate } from './search-log.js';
import { claimRunFolder } from './run-folder.js';
import {
  type FeatureTrainOptions,
  type TrainedRun,
  type TrainOptions,
  type TrainReport,
  trainRun,
} from './train-run.js';
import { drawLearningCurve, drawRateTest } from './tune-plots.js';

type Searched = 'l2' | 'lr' | 'head' | 'solver';

export type TuneOptions = SearchOptions &
  (Omit<TrainOptions, Searched> | Omit<FeatureTrainOptions, Searched>);

export interface SearchOptions extends GridOptions {
  /** Default 5. */
  readonly folds?: number | undefined;
  /** `auto`, or names with commas. */
  readonly layers?: string | undefined;
  readonly select?: Select | undefined;
  /** Most candidates; a seeded choice of them where there are more. */
  readonly budget?: number | undefined;
  /** Measures the one that is kept on parts of the data too. */
  readonly learningCurve?: boolean | undefined;
  /** Tries learning rates on the head that is kept. */
  readonly lrFind?: boolean | undefined;
}

/** A candidate as `tune.json` has it. */
export type ReportedCandidate = LayerCandidate & Omit<Judged, 'candidate'>;

export interface TuneReport {
  readonly run: string;
  /** The one that was trained. */
  readonly best: ReportedCandidate;
  /** The one with the highest mean. */
  readonly highest: ReportedCandidate;
  readonly select: Select;
  /** Standard error of the highest mean. */
  readonly standardError: number;
  /** What `mean` and `std` are of. */
  readonly figure: FigureName;
  readonly folds: number;
  readonly layers: readonly {
    readonly layer: string;
    readonly pool: string;
    readonly dim: number;
    readonly reason: string;
  }[];
  readonly candidates: readonly ReportedCandidate[];
  /** Of the search alone. */
  readonly seconds: number;
  readonly trained: TrainReport;
  readonly learningCurve?: LearningCurve & { readonly svg: string };
  readonly lrFind?: RateTest & { readonly svg: string };
}

export interface TuneHooks extends Hooks {
  /** Candidates judged. */
  readonly onCandidate?: Hooks['onProgress'];
}

const figure: FigureName = taskOf('single').figure.name;

interface Setting {
  readonly train: FeatureSet;
  readonly folds: Int32Array;
  readonly foldCount: number;
}

/** What was judged so far, for a search that goes on. */
const progressFile = 'tune-progress.json';
export const tuneFile = 'tune.json';

export async function tuneRun(
  options: TuneOptions,
  hooks: TuneHooks = {},
): Promise<{ report: TuneReport; cache: TrainedRun['cache'] }> {
  const { logger = silentLogger, signal, onCandidate } = hooks;
  const { folds: foldCount = 5, select = 'one-se', validation = 0, seed = 1 } = options;
  const grid = parseGrid(options);
  if ('unfreeze' in options && options.unfreeze !== undefined) {
    throw new GraftError(
      'USAGE',
      'graft tune searches heads on frozen layers; give --unfreeze to graft train.',
    );
  }
  const folder = path.resolve(options.out);
  await claimRunFolder(folder);
  const places = await loadPlaces({ ...options, validation }, hooks);
  const started = performance.now();
  const { train } = places[0]!;
  const folds = foldsOf(train, foldCount, seed);
  const candidates = limit(
    places.flatMap(({ layer, pool, dim }) =>
      grid(train.rows).map((one): LayerCandidate => ({ layer, pool, dim, ...one })),
    ),
    options.budget,
    seed,
  );
  logger.info(`Judging ${candidates.length} candidates on ${foldCount} folds of ${train.rows} examples.`);
  const log = await openLog(path.join(folder, progressFile), fingerprint(options, places, folds));
  const judged: Judged<LayerCandidate>[] = [];
  for (const place of places) {
    const own = candidates.filter(({ layer }) => layer === place.layer);
    const missing = own.filter((candidate) => !log.find(candidate));
    let done = judged.length + own.length - missing.length;
    const found = await crossValidate(missing, {
      train: place.train,
      folds,
      foldCount,
      base: baseOf(options),
      signal,
      onJudged: () => onCandidate?.({ done: ++done, total: candidates.length }),
    });
    const results = own.map(
      (candidate) => log.find(candidate) ?? found.find((one) => one.candidate === candidate)!,
    );
    for (const result of results)
      judged.push({ ...result, candidate: own.find((one) => sameCandidate(one, result.candidate))! });
    await log.add(found);
  }
  const { chosen, highest, standardError } = choose(judged, select, train);
  const seconds = (performance.now() - started) / 1000;
  const kept = places.find(({ layer }) => layer === chosen.candidate.layer)!.train;
  const extras = await measureExtras(options, { chosen, train: kept, folds, foldCount }, folder, hooks);
  const { report: trained, cache } = await trainRun(trainingOf(chosen, options, validation), hooks);
  const report: TuneReport = {
    run: folder,
    best: flat(chosen),
    highest: flat(highest),
    select,
    standardError,
    figure,
    folds: foldCount,
    layers: places.map(({ layer, pool, dim, reason }) => ({ layer, pool, dim, reason })),
    candidates: judged.map(flat),
    seconds,
    trained,
    ...extras,
  };
  await writeDurably(path.join(folder, tuneFile), `${JSON.stringify(report, null, 2)}\n`);
  await log.remove();
  return { report, cache };
}

/** @throws GraftError INVALID_DATASET where a class has fewer examples than there are folds. */
function foldsOf({ labels, rows, classes }: FeatureSet, foldCount: number, seed: number): Int32Array {
  if (foldCount > rows) {
    throw new GraftError(
      'INVALID_DATASET',
      `Expected at least as many training examples as --folds ${foldCount} but there are ${rows}; lower --folds.`,
    );
  }
  const counts = classes.map(() => 0);
  for (const label of labels) counts[label]!++;
  const thin = counts.findIndex((count) => labels.length > 0 && count < foldCount);
  if (thin >= 0) {
    throw new GraftError(
      'INVALID_DATASET',
      `Expected ${foldCount} training examples or more of every class for --folds ${foldCount}, but "${classes[thin]}" has ${counts[thin]}; ` +
        'lower --folds or add images.',
    );
  }
  return assignFolds(labels.length > 0 ? labels : new Int32Array(rows), classes.length, foldCount, { seed });
}

function baseOf(options: TuneOptions) {
  return {
    standardize: options.standardize ?? true,
    seed: options.seed ?? 1,
    ...(options.epochs !== undefined && { epochs: options.epochs }),
    ...(options.batch !== undefined && { batch: options.batch }),
    ...(options.threads !== undefined && { threads: options.threads }),
  };
}

function choose(judged: readonly Judged<LayerCandidate>[], select: Select, train: FeatureSet) {
  if (judged.every(({ droppedAt }) => droppedAt !== undefined)) {
    throw new GraftError(
      'TRAINING_FAILED',
      'The loss of every candidate became infinite; try smaller rates with --lr.',
    );
  }
  const outputCount = train.classes.length;
  return selectCandidate(judged, select, ({ head, dim }) => {
    const { parameters } = buildHead(head, { dim, outputCount, task: 'single' });
    return [...parameters.values()].reduce((sum, dims) => sum + sizeOf(dims), 0);
  });
}

async function measureExtras(
  options: TuneOptions,
  { chosen, ...setting }: Setting & { readonly chosen: Judged<LayerCandidate> },
  folder: string,
  { signal, logger = silentLogger }: TuneHooks,
): Promise<Pick<TuneReport, 'learningCurve' | 'lrFind'>> {
  const base = baseOf(options);
  const { head, solver } = chosen.candidate;
  let learningCurve: TuneReport['learningCurve'];
  let lrFind: TuneReport['lrFind'];
  if (options.learningCurve) {
    const curve = await measureLearningCurve(chosen, {
      ...setting,
      base,
      signal,
      onSize: (done, total) => logger.info(`Learning curve: ${done} of ${total} sizes.`),
    });
    learningCurve = { ...curve, svg: await drawLearningCurve(folder, curve, figure) };
  }
  if (options.lrFind && head.kind === 'prototype') {
    logger.warn('A prototype head has no learning rate to find.');
  } else if (options.lrFind) {
    const test = await findRate(setting.train, {
      ...base,
      head,
      task: 'single',
      solver: solver === 'sgd' ? 'sgd' : 'adamw',
    });
    lrFind = { ...test, svg: await drawRateTest(folder, test) };
  }
  return { ...(learningCurve && { learningCurve }), ...(lrFind && { lrFind }) };
}

/** The options of `graft train` that train a candidate. */
function trainingOf(
  { candidate, epochs }: Judged<LayerCandidate>,
  options: TuneOptions,
  validation: number,
): TrainOptions | FeatureTrainOptions {
  const { layer, pool, head, solver, l2, lr } = candidate;
  const own = {
    validation,
    head: head.kind as 'linear',
    l2,
    lr,
    solver: solver === 'none' ? undefined : solver,
    epochs: epochs ?? options.epochs,
    // Of a search, whose fits are short, the last one begins again.
    resume: false,
  };
  if ('features' in options) return { ...options, ...own };
  return { ...options, ...own, layer, pool: pool as Pool };
}

/** A seeded choice, in the given order. */
function limit<T>(candidates: readonly T[], budget: number | undefined, seed: number): readonly T[] {
  if (budget === undefined || candidates.length <= budget) return candidates;
  const drawn = createRng(seed).shuffle(Array.from(candidates.keys())).slice(0, budget);
  return drawn.sort((a, b) => a - b).map((i) => candidates[i]!);
}

function flat({ candidate, ...result }: Judged<LayerCandidate>): ReportedCandidate {
  return { ...candidate, ...result };
}

/** What the results of a search depend on, beside the candidate. */
function fingerprint(options: TuneOptions, places: readonly Place[], folds: Int32Array): string {
  const hash = createHash('sha256').update(JSON.stringify(baseOf(options)));
  for (const { identity } of places) hash.update(identity);
  return hash.update(folds).digest('hex');
}
