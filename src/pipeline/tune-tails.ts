/**
 * `graft tune --unfreeze A,B`: judges unfrozen layers, rates and epochs on the folds that judged the heads alone, so
 * that the search says whether moving the layers pays. The activations of each layer are cached once.
 */
import { GraftError } from '../errors.js';
import { silentLogger } from '../logger.js';
import { openSession } from '../runtime/open-session.js';
import { splitList } from '../split-list.js';
import { describeScore } from '../tasks/describe-score.js';
import { sizeOf } from '../tensor/shape.js';
import {
  flat,
  goesByEpochs,
  type Judged,
  type LayerCandidate,
  meanOf,
  type ReportedCandidate,
  sampleDeviation,
} from '../train/candidate.js';
import { defaultEpochs, defaultRate, tailShare } from '../train/fine-tune-options.js';
import type { AnyFeatureSet } from '../train/feature-set.js';
import type { FitChoice } from '../train/train-options.js';
import { judgeTail, type TailCandidate } from '../train/judge-tail.js';
import type { Tail } from '../train/tail.js';
import { tailWeights } from '../train/tail-weights.js';
import { cacheActivations, type CachedActivations } from './cache-activations.js';
import type { Hooks } from './cache-features.js';
import { fineTuneOptions } from './fine-tune-run.js';
import { parseNumbers } from './search-grid.js';
import type { SearchLog } from './search-log.js';
import { splitRows } from './split-features.js';
import { refuseHeadOptions } from './refuse-options.js';
import type { TrainOptions } from './training-run.js';
import type { TuneOptions } from './tuning-run.js';

export interface TailGridOptions {
  /** Rates of the layers to try: a list with commas. */
  readonly tailLrs?: string | number | undefined;
  /** Numbers of epochs to try: a list with commas. */
  readonly tailEpochs?: string | number | undefined;
}

interface TailPoint {
  readonly unfreeze: string;
  readonly lr: number;
  readonly tailLr: number;
  readonly epochs: number;
}

/** Whether moving the layers was better than the head alone, fold by fold. */
export interface Unfreezing {
  /** The best that the search found without it, and with it. */
  readonly headAlone: ReportedCandidate;
  readonly tuned: ReportedCandidate;
  /** Mean and sample standard deviation over the folds of what it brings. */
  readonly gain: { readonly mean: number; readonly std: number };
  /** Folds in which it is better. */
  readonly better: number;
}

/**
 * Flags are checked at once.
 * @throws GraftError USAGE
 */
export function parseTailGrid(options: TuneOptions): readonly TailPoint[] {
  const { tailLrs, tailEpochs, lr, epochs } = options;
  const { unfreeze, tailLr, ...others } = options as Partial<TrainOptions>;
  if (unfreeze === undefined) {
    const ofTails = {
      ...{ 'tail-lrs': tailLrs, 'tail-epochs': tailEpochs, 'tail-lr': tailLr },
      ...{ 'layer-decay': others.layerDecay, gradual: others.gradual },
    };
    const [stray] = Object.entries(ofTails).find(([, given]) => given !== undefined) ?? [];
    if (stray !== undefined)
      refuse(`--${stray} is about layers that are unfrozen; name some with --unfreeze.`);
    return [];
  }
  if (options.layers !== undefined)
    refuse('--layers compares heads on several layers, --unfreeze moves those before one; give one of them.');
  const extra = options.learningCurve ? 'learning-curve' : options.lrFind ? 'lr-find' : undefined;
  if (extra) refuse(`--${extra} is measured on heads alone; leave it away with --unfreeze.`);
  if (others.warmStart === false)
    refuse('graft tune compares with the head alone, which --no-warm-start leaves out; leave that away.');
  refuseHeadOptions(others);
  const list = (flag: string, given: string | number | undefined): number[] | undefined =>
    given === undefined ? undefined : parseNumbers(flag, given);
  const rates = list('tail-lrs', tailLrs ?? tailLr);
  const headRates = list('lr', lr);
  const lengths = list('tail-epochs', tailEpochs ?? epochs) ?? [defaultEpochs];
  const wrong = lengths.find((value) => !Number.isInteger(value));
  if (wrong !== undefined) refuse(`Expected whole numbers for --tail-epochs but received ${wrong}.`);
  const pairs = rates
    ? (headRates ?? [defaultRate]).flatMap((head) => rates.map((tail) => ({ lr: head, tailLr: tail })))
    : (headRates ?? [defaultRate / 3, defaultRate].map(round)).map((head) => ({
        lr: head,
        tailLr: round(tailShare * head),
      }));
  return splitList('unfreeze', unfreeze).flatMap((layer) =>
    lengths.flatMap((length) => pairs.map((pair) => ({ unfreeze: layer, ...pair, epochs: length }))),
  );
}

export interface TailSearch {
  readonly points: readonly TailPoint[];
  /** That the heads were judged on; the rows of the activations are the same. */
  readonly train: AnyFeatureSet;
  readonly folds: Int32Array;
  readonly foldCount: number;
  readonly log: SearchLog;
  readonly hooks: Hooks;
  /** The options of `graft train` for a candidate. */
  trainingOf(one: Pick<Judged<LayerCandidate>, 'candidate' | 'epochs'>): TrainOptions;
  onJudged(): void;
}

/**
 * Every layer, rate and length, with the head that was best alone.
 * @throws GraftError USAGE where there is no head that steps can train
 */
export async function searchTails(
  heads: readonly Judged<LayerCandidate>[],
  search: TailSearch,
): Promise<{ readonly judged: Judged<LayerCandidate>[]; readonly unfreezing: Unfreezing | undefined }> {
  const { points, trainingOf } = search;
  const alone = bestOf(heads.filter(({ candidate }) => candidate.head.kind !== 'prototype'));
  if (!alone) refuse('--unfreeze trains a linear, mlp or cosine head; name one with --heads.');
  const judged: Judged<LayerCandidate>[] = [];
  for (const unfreeze of new Set(points.map((point) => point.unfreeze))) {
    const own = points.filter((point) => point.unfreeze === unfreeze);
    const layer = await cacheActivations(trainingOf(alone), unfreeze, search.hooks);
    const found = await judgeLayer(layer, own, alone, search).finally(() => layer.close());
    judged.push(...found);
  }
  const tuned = bestOf(judged);
  return { judged, unfreezing: tuned && compare(alone, tuned) };
}

async function judgeLayer(
  { cached, unfrozen, open }: CachedActivations,
  points: readonly TailPoint[],
  alone: Judged<LayerCandidate>,
  { train, folds, foldCount, log, hooks, trainingOf, onJudged }: TailSearch,
): Promise<Judged<LayerCandidate>[]> {
  const { logger = silentLogger, signal } = hooks;
  const { candidate: head } = alone;
  const start = startOf(alone);
  const options = trainingOf({ candidate: head });
  const { train: part } = splitRows(cached, options);
  assertSameRows(part.targets, train);
  const activations = await open(part);
  const weights = countWeights(unfrozen.tail);
  const judged: Judged<LayerCandidate>[] = [];
  for (const { unfreeze, lr, tailLr, epochs } of points) {
    const candidate: TailCandidate = {
      ...head,
      ...{ solver: 'adamw', lr, tail: { unfreeze, weights, lr: tailLr, epochs, ...(start && { start }) } },
    };
    const known = log.find(candidate);
    const result =
      known ??
      (await judgeTail(candidate, {
        ...{ tail: unfrozen.tail, train: activations, folds, foldCount },
        options: {
          ...fineTuneOptions(trainingOf({ candidate, epochs }), cached.dataset.task),
          ...(signal && { signal }),
        },
        open: (bytes, given) => openSession(bytes, { ...given, device: options.device ?? 'auto' }),
        onFold: (fold, validation) =>
          logger.info(
            `unfrozen after ${unfreeze}, rate ${tailLr}, ${epochs} epochs, fold ${fold + 1} of ${foldCount}: ${describeScore(validation)}`,
          ),
      }));
    if (!known) await log.add([result]);
    judged.push({ ...result, candidate });
    onJudged();
  }
  return judged;
}

/** The head is fitted first as it was judged alone, so that the gain is that of moving the layers. */
function startOf({ candidate, epochs }: Judged<LayerCandidate>): FitChoice | undefined {
  const { solver, lr, weightDecay } = candidate;
  if (!goesByEpochs(candidate) || solver === 'none') return undefined;
  return {
    solver,
    ...(lr !== undefined && { lr }),
    ...(weightDecay !== undefined && { weightDecay }),
    ...(epochs !== undefined && { epochs }),
  };
}

function countWeights(tail: Tail): number {
  const { initializers } = tail.model.graph;
  return tailWeights(tail).reduce((sum, name) => sum + sizeOf(initializers.get(name)!.dims), 0);
}

/** By the mean, among those that got to the end. */
function bestOf(judged: readonly Judged<LayerCandidate>[]): Judged<LayerCandidate> | undefined {
  return judged
    .filter(({ droppedAt }) => droppedAt === undefined)
    .reduce<Judged<LayerCandidate> | undefined>(
      (best, next) => (best && best.mean >= next.mean ? best : next),
      undefined,
    );
}

function compare(alone: Judged<LayerCandidate>, tuned: Judged<LayerCandidate>): Unfreezing {
  const gains = tuned.folds.map((figure, fold) => figure - alone.folds[fold]!);
  return {
    headAlone: flat(alone),
    tuned: flat(tuned),
    gain: { mean: meanOf(gains), std: sampleDeviation(gains) },
    better: gains.filter((gain) => gain > 0).length,
  };
}

/** Photos that changed between the two passes would put other rows into the folds. */
function assertSameRows(
  activations: { readonly labels: Int32Array; readonly rows: number },
  features: AnyFeatureSet,
): void {
  const { rows, labels } = features;
  if (activations.rows === rows && activations.labels.every((label, row) => label === labels[row])) return;
  throw new GraftError(
    'INVALID_DATASET',
    'The data set changed while it was searched; run the same command again.',
  );
}

const round = (rate: number): number => Number(rate.toPrecision(2));

function refuse(message: string): never {
  throw new GraftError('USAGE', message);
}
