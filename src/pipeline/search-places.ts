/** Judges the candidates of all layers by cross-validation, chooses one, and measures what was asked for of it. */
import { createHash } from 'node:crypto';
import path from 'node:path';
import { GraftError, isInterruption } from '../errors.js';
import { buildHead } from '../heads/build-head.js';
import { silentLogger } from '../logger.js';
import { createRng } from '../rng.js';
import { taskOf } from '../tasks/task-of.js';
import type { TaskKind } from '../tasks/task.js';
import { sizeOf } from '../tensor/shape.js';
import { flat, goesByEpochs, type Judged, type LayerCandidate } from '../train/candidate.js';
import { crossValidate } from '../train/cross-validate.js';
import { findRate } from '../train/find-rate.js';
import { measureLearningCurve } from '../train/learning-curve.js';
import type { AnyFeatureSet } from '../train/feature-set.js';
import { withoutViews } from '../train/views.js';
import { type Select, selectCandidate } from '../train/select-candidate.js';
import { foldsOfSearch } from './folds-of-search.js';
import type { Place } from './load-places.js';
import type { parseGrid } from './search-grid.js';
import { openLog, sameCandidate, type SearchLog } from './search-log.js';
import type { TrainOptions } from './training-run.js';
import { trainingOf } from './training-of-candidate.js';
import type { Measured } from './tune-plots.js';
import { type parseTailGrid, searchTails } from './tune-tails.js';
import type { TuneHooks, TuneOptions, TuneReport } from './tuning-run.js';

interface Setting {
  readonly train: AnyFeatureSet;
  readonly folds: Int32Array;
  readonly foldCount: number;
  readonly base: ReturnType<typeof baseOf>;
}

/** What was judged so far, for a search that goes on. */
const progressFile = 'tune-progress.json';

export type Found = Omit<TuneReport, 'run' | 'best' | 'layers' | 'trained' | keyof Measured> & {
  readonly chosen: Judged<LayerCandidate>;
  readonly measured: Measured;
  readonly log: SearchLog;
};

export interface SearchSpace {
  readonly grid: ReturnType<typeof parseGrid>;
  readonly tails: ReturnType<typeof parseTailGrid>;
}

export async function searchPlaces(
  places: readonly Place[],
  { grid, tails: points }: SearchSpace,
  folder: string,
  options: TuneOptions,
  hooks: TuneHooks,
): Promise<Found> {
  const { logger = silentLogger, signal, onCandidate } = hooks;
  const { select = 'one-se', seed = 1 } = options;
  const started = performance.now();
  const { train, task, groups } = places[0]!;
  const { folds, foldCount } = foldsOfSearch(withoutViews(train), groups, options.folds, {
    ...{ seed, task, logger },
  });
  const examples = folds.length;
  const base = baseOf(options, task);
  const candidates = limit(
    places.flatMap(({ layer, pool, dim }) =>
      grid(examples).map((one): LayerCandidate => ({ layer, pool, dim, ...one })),
    ),
    options.budget,
    seed,
  );
  const total = candidates.length + points.length;
  if (options.epochs !== undefined && points.length === 0 && !candidates.some(goesByEpochs)) {
    logger.warn(`--epochs ${options.epochs} is not used: none of the candidates goes by epochs.`);
  }
  let done = 0;
  logger.info(`Judging ${total} candidates on ${foldCount} folds of ${examples} examples.`);
  const log = await openLog(
    path.join(folder, progressFile),
    fingerprint({ ...base, epochs: options.epochs, ...ofTails(options) }, places, folds),
    options,
  );
  const judged: Judged<LayerCandidate>[] = [];
  for (const place of places) {
    const own = candidates.filter(({ layer }) => layer === place.layer);
    const missing = own.filter((candidate) => !log.find(candidate));
    done = judged.length + own.length - missing.length;
    const found = await crossValidate(missing, {
      train: place.train,
      folds,
      foldCount,
      base,
      epochs: options.epochs,
      signal,
      onJudged: () => onCandidate?.({ done: ++done, total }),
    }).catch((error: unknown) => {
      throw isInterruption(error) ? stoppedAfter(judged.length, total) : error;
    });
    const results = own.map(
      (candidate) => log.find(candidate) ?? found.find((one) => one.candidate === candidate)!,
    );
    for (const result of results)
      judged.push({ ...result, candidate: own.find((one) => sameCandidate(one, result.candidate))! });
    await log.add(found);
  }
  const tails =
    points.length > 0 &&
    (await searchTails(judged, {
      ...{ points, train, folds, foldCount, log, hooks },
      trainingOf: (one) => trainingOf(one, options, options.validation ?? 0) as TrainOptions,
      onJudged: () => onCandidate?.({ done: ++done, total }),
    }));
  if (tails) judged.push(...tails.judged);
  const { chosen, highest, standardError } = choose(judged, select, train, task);
  const seconds = (performance.now() - started) / 1000;
  const kept = places.find(({ layer }) => layer === chosen.candidate.layer)!.train;
  const measured = await measureExtras(options, { chosen, train: kept, folds, foldCount, base }, hooks);
  return {
    chosen,
    measured,
    log,
    highest: flat(highest),
    select,
    standardError,
    figure: taskOf(task).figure.name,
    folds: foldCount,
    candidates: judged.map(flat),
    seconds,
    ...(tails && tails.unfreezing && { unfreezing: tails.unfreezing }),
  };
}

function stoppedAfter(kept: number, total: number): GraftError {
  const goesOn = kept > 0 ? 'the same command goes on with the others' : 'the same command begins it again';
  return new GraftError(
    'INTERRUPTED',
    `The search was stopped with ${kept} of ${total} candidates judged and kept (those of a layer together): ${goesOn}. No head was written.`,
  );
}

/** What decides the results of unfrozen candidates alone. */
function ofTails(options: TuneOptions) {
  const { unfreeze, layerDecay, gradual, dtype } = options as Partial<TrainOptions>;
  return unfreeze === undefined ? {} : { layerDecay, gradual, dtype };
}

/** What all candidates have in common. */
function baseOf(options: TuneOptions, task: TaskKind) {
  const { labelSmoothing, focal, huber } = options;
  return {
    task,
    loss: { labelSmoothing, focal, huber },
    standardize: options.standardize ?? true,
    seed: options.seed ?? 1,
    classWeights: options.classWeights ?? 'none',
    ...(options.batch !== undefined && { batch: options.batch }),
    ...(options.threads !== undefined && { threads: options.threads }),
    ...(options.schedule !== undefined && { schedule: options.schedule }),
    ...(options.warmUp !== undefined && { warmUp: options.warmUp }),
    ...(options.mixup !== undefined && { mixup: options.mixup }),
    ...(options.ema !== undefined && { ema: options.ema }),
    ...(options.momentum !== undefined && { momentum: options.momentum }),
    ...(options.nesterov !== undefined && { nesterov: options.nesterov }),
    ...(options.clipNorm !== undefined && { clipNorm: options.clipNorm }),
  };
}

function choose(
  judged: readonly Judged<LayerCandidate>[],
  select: Select,
  train: AnyFeatureSet,
  task: TaskKind,
) {
  if (judged.every(({ droppedAt }) => droppedAt !== undefined)) {
    throw new GraftError(
      'TRAINING_FAILED',
      'The loss of every candidate became infinite; try smaller rates with --lr.',
    );
  }
  const outputCount = train.classes.length;
  return selectCandidate(judged, select, ({ head, dim, tail }) => {
    const { parameters } = buildHead(head, { dim, outputCount, task });
    return [...parameters.values()].reduce((sum, dims) => sum + sizeOf(dims), tail?.weights ?? 0);
  });
}

async function measureExtras(
  options: TuneOptions,
  { chosen, base, ...setting }: Setting & { readonly chosen: Judged<LayerCandidate> },
  { signal, logger = silentLogger }: TuneHooks,
): Promise<Measured> {
  const { head, solver } = chosen.candidate;
  let learningCurve: Measured['learningCurve'];
  let lrFind: Measured['lrFind'];
  if (options.learningCurve) {
    learningCurve = await measureLearningCurve(chosen, {
      ...setting,
      base,
      signal,
      onSize: (done, total) => logger.info(`Learning curve: ${done} of ${total} sizes.`),
    });
  }
  if (options.lrFind && head.kind === 'prototype') {
    logger.warn('A prototype head has no learning rate to find.');
  } else if (options.lrFind) {
    lrFind = await findRate(setting.train, {
      ...base,
      head,
      solver: solver === 'sgd' ? 'sgd' : 'adamw',
    });
  }
  return { ...(learningCurve && { learningCurve }), ...(lrFind && { lrFind }) };
}

/** A seeded choice, in the given order. */
function limit<T>(candidates: readonly T[], budget: number | undefined, seed: number): readonly T[] {
  if (budget === undefined || candidates.length <= budget) return candidates;
  const drawn = createRng(seed).shuffle(Array.from(candidates.keys())).slice(0, budget);
  return drawn.sort((a, b) => a - b).map((i) => candidates[i]!);
}

/** What the results of a search depend on, beside the candidate. */
function fingerprint(base: object, places: readonly Place[], folds: Int32Array): string {
  const hash = createHash('sha256').update(JSON.stringify(base));
  for (const { identity } of places) hash.update(identity);
  return hash.update(folds).digest('hex');
}
