/** The training parts of replicas that learn at once: a fold or a seed each, with an order of its own. */
import type { Head, HeadSpec } from '../heads/head.js';
import { createRng, type Rng } from '../rng.js';
import { taskOf } from '../tasks/task-of.js';
import type { Tensor } from '../tensor/tensor.js';
import { type AnyFeatureSet, type FeatureSet, isInMemory } from './feature-set.js';
import { batchesOf, batchMemory } from './read-batches.js';
import { repeatParameters } from './replica-head.js';
import { fitTargetScaling, scaleTargets } from './scale-targets.js';
import { measureStandardization, standardize } from './standardize.js';
import { startingParameters } from './starting-parameters.js';
import { type FilledOptions, type TrainOptions, usualBatch } from './train-options.js';
import { countExamples, withoutViews } from './views.js';

export interface Lane {
  readonly train: AnyFeatureSet;
  readonly held: AnyFeatureSet;
  readonly seed: number;
}

/** Most bytes of the features of all lanes together, which are copies. */
const mostBytes = 2 ** 28;

/**
 * Whether lanes may be trained in one graph: its rows are those of one table in memory, its batches as many in all lanes, and
 * nothing in the graph is a lane's own.
 * @param set - what the training parts of the lanes are chosen from
 * @param rows - of the training part of each lane
 */
export function canShareStep(
  set: AnyFeatureSet,
  rows: readonly number[],
  spec: HeadSpec,
  { batch = usualBatch(countExamples(set)), task = 'single', mixup = 0, classWeights = 'none' }: TrainOptions,
): boolean {
  const steps = new Set(rows.map((count) => Math.ceil(count / batch)));
  const bytes = rows.reduce((sum, count) => sum + Float32Array.BYTES_PER_ELEMENT * count * set.dim, 0);
  return (
    (task === 'single' || task === 'multi') &&
    (spec.kind === 'linear' || (spec.kind === 'mlp' && spec.dropout === 0)) &&
    mixup === 0 &&
    classWeights === 'none' &&
    isInMemory(set) &&
    (set.views ?? 1) === 1 &&
    bytes <= mostBytes &&
    steps.size === 1
  );
}

export interface OpenLane {
  readonly seed: number;
  /** Examples. */
  readonly rows: number;
  /** Scaled, and its targets too. */
  readonly trainSet: AnyFeatureSet;
  readonly plainSet: AnyFeatureSet;
  readonly heldSet: AnyFeatureSet;
  readonly targetScaling: ReturnType<typeof fitTargetScaling> | undefined;
  readonly classWeights: Float32Array | undefined;
  /** Of all its replicas. */
  readonly start: ReadonlyMap<string, Tensor>;
  readonly rng: Rng;
  /** Of its examples in the epoch at hand. */
  readonly order: Int32Array;
  readonly batch: number;
  /** Shuffles the order; rows of the training set, a view drawn for each. */
  draw(): Int32Array;
}

export async function openLane(
  { train, held, seed }: Lane,
  head: Head,
  replicas: number,
  settings: FilledOptions,
): Promise<OpenLane> {
  const task = taskOf(settings.task);
  const { views = 1 } = train;
  const scaling = settings.standardize ? await measureStandardization(train) : undefined;
  const [scaledTrain, heldSet] = scaling
    ? [standardize(train, scaling), standardize(held, scaling)]
    : [train, held];
  const targetScaling = task.kind === 'regression' ? fitTargetScaling(train) : undefined;
  const plainSet = withoutViews(scaledTrain);
  const { rows } = plainSet;
  const classWeights = settings.classWeights === 'balanced' ? task.balance?.(train) : undefined;
  const start = startingParameters(head, task, train, { seed, classWeights, targetScaling });
  const rng = createRng(seed);
  const order = Int32Array.from({ length: rows }, (_, i) => i);
  return {
    ...{ seed, rows, plainSet, heldSet, targetScaling, classWeights, rng, order },
    trainSet: scaleTargets(scaledTrain, targetScaling),
    start: repeatParameters(start, replicas),
    batch: Math.min(settings.batch, rows),
    draw() {
      rng.shuffle(order);
      return views > 1 ? order.map((example) => example + rows * rng.integer(views)) : order;
    },
  };
}

export interface LaneBatch {
  /** Of the joined set: as many of each lane, those of the first lane first. */
  readonly rows: Int32Array;
  readonly values?: Float32Array;
  /** What each row counts, where there are several lanes: 1 / the lane's own rows, or nothing. */
  readonly shares?: Float32Array;
  /** Rows of each lane that count; further ones fill up. */
  readonly counts: readonly number[];
}

export interface JoinedLanes {
  readonly set: AnyFeatureSet;
  readonly batch: number;
  readonly stepsPerEpoch: number;
  /** Of one epoch. */
  batches(): AsyncGenerator<LaneBatch>;
}

export function joinLanes(lanes: readonly OpenLane[]): JoinedLanes {
  const [first] = lanes as readonly [OpenLane];
  const batch = Math.max(...lanes.map((lane) => lane.batch));
  const stepsPerEpoch = Math.ceil(first.rows / batch);
  if (lanes.length === 1) {
    const { trainSet: set } = first;
    const memory = isInMemory(set) ? undefined : batchMemory(set.features, batch);
    return {
      ...{ set, batch, stepsPerEpoch },
      async *batches() {
        for await (const each of batchesOf(set, first.draw(), batch, memory))
          yield { ...each, counts: [each.rows.length] };
      },
    };
  }
  const firstRows = lanes.map((_, l) => lanes.slice(0, l).reduce((sum, { rows }) => sum + rows, 0));
  return {
    set: joinSets(lanes.map(({ trainSet }) => trainSet as FeatureSet)),
    ...{ batch, stepsPerEpoch },
    async *batches() {
      const drawn = lanes.map((lane) => lane.draw());
      for (let step = 0; step < stepsPerEpoch; step++) {
        const from = step * batch;
        const counts = lanes.map(({ rows }) => Math.min(batch, rows - from));
        const length = Math.max(...counts);
        const rows = new Int32Array(lanes.length * length);
        const shares = new Float32Array(lanes.length * length);
        for (const [l, order] of drawn.entries()) {
          const own = order.subarray(from, from + counts[l]!);
          rows.fill(firstRows[l]!, l * length, (l + 1) * length);
          own.forEach((row, i) => (rows[l * length + i] = firstRows[l]! + row));
          shares.fill(1 / own.length, l * length, l * length + own.length);
        }
        yield { rows, shares, counts };
      }
    },
  };
}

function joinSets(sets: readonly FeatureSet[]): FeatureSet {
  const [{ dim, classes, targets }] = sets as readonly [FeatureSet];
  const rows = sets.reduce((sum, set) => sum + set.rows, 0);
  const features = new Float32Array(rows * dim);
  const labels = new Int32Array(targets ? 0 : rows);
  const values = targets && new Float32Array(rows * classes.length);
  let at = 0;
  for (const set of sets) {
    features.set(set.features, at * dim);
    labels.set(set.labels, targets ? 0 : at);
    values?.set(set.targets!, at * classes.length);
    at += set.rows;
  }
  return { rows, dim, classes, features, labels, ...(values && { targets: values }) };
}
