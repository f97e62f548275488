/**
 * Cross-validates a linear head over a path of L2 penalties: every fold is a replica of one step graph, all folds of
 * one λ advance together, and each λ starts where the stronger one before it ended.
 *
 * One set of features serves all folds, scaled by the mean and deviation of all rows. A fold's own standardisation is
 * that of its training rows alone, nothing of what it holds out: with z the shared features and s the deviation of z
 * over those rows, a weight on (z - mean) / s that is penalised by λ/2 · v² is a weight w = v / s on z penalised by
 * λ s²/2 · w²; the means go into the bias, which is free. So only the penalties differ from fold to fold.
 */
import { GraftError } from '../errors.js';
import { buildHead } from '../heads/build-head.js';
import type { HeadSpec } from '../heads/head.js';
import { lbfgs } from '../optim/lbfgs.js';
import type { LossSpec, Meter, Score, TaskKind } from '../tasks/task.js';
import { taskOf } from '../tasks/task-of.js';
import { scaleProblem, startingPoint } from './convex-problem.js';
import { exampleCurvature } from './example-curvature.js';
import { openExactStep } from './exact-step.js';
import type { AnyFeatureSet } from './feature-set.js';
import { openBasisFinder } from './find-basis.js';
import { openHeadScorer } from './head-scorer.js';
import { layoutParameters } from './parameter-layout.js';
import { type Replica, replicaObjectives } from './replica-objective.js';
import { selectRows } from './select-rows.js';
import { measureStandardization, standardize } from './standardize.js';
import { transposedBlocks } from './transposed-blocks.js';
import type { WeightBasis } from './weight-basis.js';

export interface OptimumSweepOptions {
  /** Each view of an example weighs 1 / views; scores are those of the examples as they are. */
  readonly train: AnyFeatureSet;
  /** Fold of each example, from 0 to `foldCount` - 1. */
  readonly folds: Int32Array;
  readonly foldCount: number;
  readonly l2: readonly number[];
  readonly head: HeadSpec;
  readonly task: TaskKind;
  readonly loss?: LossSpec | undefined;
  readonly standardize: boolean;
  readonly threads?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** After each fold of a λ. */
  readonly onFit?: () => void;
  /** After each λ, from the largest to the smallest. */
  readonly onPenalty?: (l2: number, folds: readonly SweptFold[]) => void;
}

export interface SweptFold {
  /** Sum of the losses of the fold's training rows + λ/2 · ‖W‖². */
  readonly objective: number;
  readonly iterations: number;
  readonly train: Score;
  /** On the rows that the fold holds out. */
  readonly validation: Score;
}

const float32Rounding = 1e-7;
/** What a fit may be above its optimum, as a share of the objective. */
const tolerance = 5e-7;
/** Pairs that L-BFGS remembers. In a good basis ten take 3 % fewer iterations than six, but longer over each. */
const memory = { inBasis: 6, without: 10 };
/** Iterations a fit from which on a better basis is looked for. */
const manyIterations = 10;

/** By λ, a result for each fold. */
export async function sweepOptimum(
  options: OptimumSweepOptions,
): Promise<ReadonlyMap<number, readonly SweptFold[]>> {
  const { train, foldCount, head: spec, threads, signal, loss } = options;
  const { views = 1 } = train;
  const foldOf = options.folds;
  /** Of each row: all views of an example are in its fold. */
  const folds = Int32Array.from({ length: train.rows }, (_, row) => foldOf[row % foldOf.length]!);
  const task = taskOf(options.task);
  const outputCount = train.classes.length;
  const shape = { dim: train.dim, outputCount, task: task.kind };
  const head = buildHead(spec, shape);
  const layout = layoutParameters(head.parameters);
  const [weight] = head.penalized;
  const scaling = await measureStandardization(train);
  const shared = standardize(train, scaling);
  const partOf = async (fold: number) => {
    const kept = rowsWhere(folds, (of) => of !== fold);
    const units = options.standardize
      ? (await measureStandardization(selectRows(shared, kept))).std.map((std) => 1 / std)
      : scaling.std;
    const totals = task.sumTargets(train, undefined, (row) => folds[row] !== fold);
    const prior = task.prior(totals, outputCount);
    return { fold, units, prior };
  };
  const parts: Awaited<ReturnType<typeof partOf>>[] = [];
  for (let fold = 0; fold < foldCount; fold++) parts.push(await partOf(fold));
  const problemOf = ({ fold, units, prior }: (typeof parts)[number], l2: number) => ({
    layout,
    penalized: head.penalized,
    // The sum over all views with λ · views is `views` times the objective.
    l2: l2 * head.penaltyFactor * views,
    weightUnits: units,
    prior,
    heldOut: fold,
  });
  const transposes = transposedBlocks(shared, true);
  const step = await openExactStep({
    spec,
    task: task.kind,
    train: shared,
    loss,
    folds,
    threads,
    transposes,
  });
  const scorer = await openHeadScorer(spec, shape, threads);
  const finder = await openBasisFinder(shared, layout, weight!, threads);
  const results = new Map<number, readonly SweptFold[]>();
  let starts = parts.map((part) => startingPoint(problemOf(part, 1)));
  let before: { readonly l2: number; readonly points: readonly Float64Array[] } | undefined;
  let basis: WeightBasis | undefined;
  try {
    const path = [...new Set(options.l2)].sort((a, b) => b - a);
    for (const [i, l2] of path.entries()) {
      const replicas = parts.map((part) => scaleProblem(problemOf(part, l2)));
      const found = await minimize(replicas, starts, basis);
      const points = found.map(({ x }) => x);
      const { scores, curvature } = await measure(points);
      const fits = scores.map((score, at) => ({
        objective: found[at]!.value / views,
        iterations: found[at]!.iterations,
        ...score,
      }));
      results.set(l2, fits);
      options.onPenalty?.(l2, fits);
      const next = path[i + 1];
      if (next !== undefined && fits.some(({ iterations }) => iterations > manyIterations)) {
        basis = (await betterBasis(curvature, next)) ?? basis;
      }
      const reach = before && next !== undefined ? reachOf(before.l2, l2, next) : 0;
      starts = points.map((x, at) => goOn(before?.points[at] ?? x, x, reach));
      before = { l2, points };
    }
    return results;
  } finally {
    await finder.release();
    await scorer.release();
    await step.release();
  }

  async function minimize(
    replicas: readonly Replica[],
    from: readonly Float64Array[],
    given: WeightBasis | undefined,
  ) {
    const scaled = given ? replicas.map((replica) => scaleIn(given, replica)) : replicas;
    const { objectives, retire } = replicaObjectives(step, layout, scaled, given);
    const scaledFrom = given ? await given.fromWeights(from) : from;
    const fits = await Promise.all(
      objectives.map(async (objective, i) => {
        const { scale } = scaled[i]!;
        const result = await lbfgs(
          objective,
          scaledFrom[i]!.map((xj, j) => xj / scale[j]!),
          {
            valueTolerance: tolerance,
            memory: given ? memory.inBasis : memory.without,
            rounding: float32Rounding,
            patience: 5,
            firstStep: 1,
            onIteration: () => {
              if (signal?.aborted)
                throw new GraftError('INTERRUPTED', 'The search was stopped; no head was written.');
              return Promise.resolve(false);
            },
          },
        ).finally(() => retire(i));
        options.onFit?.();
        return { ...result, x: result.x.map((uj, j) => uj * scale[j]!) };
      }),
    );
    if (!given) return fits;
    const weights = await given.toWeights(fits.map(({ x }) => x));
    return fits.map((fit, i) => ({ ...fit, x: weights[i]! }));
  }

  /** In a basis the weights have curvature 1 in its units. */
  function scaleIn({ sketch, units }: WeightBasis, { penalty, heldOut }: Replica): Replica {
    const scale = new Float64Array(layout.size).fill(1 / Math.sqrt(sketch.biasCurvature));
    const { from, to, columns } = layout.parts.find(({ name }) => name === weight)!;
    for (let i = from; i < to; i++) scale[i] = units[Math.floor((i - from) / columns)]!;
    return { penalty, scale, heldOut };
  }

  /** One for all folds. */
  function betterBasis(curvature: Float32Array, l2: number): Promise<WeightBasis | undefined> {
    const penalty = Float64Array.from({ length: train.dim }, (_, d) => {
      const mean = parts.reduce((sum, { units }) => sum + 1 / units[d]! ** 2, 0) / foldCount;
      return l2 * head.penaltyFactor * views * mean;
    });
    return finder.find(curvature, penalty, basis);
  }

  /** The scores of each fold, and the mean curvature of each row over the folds that learn from it. */
  async function measure(points: readonly Float64Array[]) {
    const curvature = new Float32Array(train.rows);
    const meters = parts.map(() => ({
      train: task.openMeter(train, loss),
      validation: task.openMeter(train, loss),
    }));
    for await (const { rows, outputs } of scorer.blocks(shared, layout.stack(points))) {
      const learns = (i: number, fold: number): boolean => folds[rows[i]!] !== fold;
      const shape = { rows: rows.length, replicas: foldCount };
      curvature.set(exampleCurvature(task.kind, outputs, shape, learns), rows[0]);
      // Of views, the examples as they are come first.
      const plain = Array.from(rows.keys()).filter((i) => rows[i]! < foldOf.length);
      for (const [fold, meter] of meters.entries()) {
        const add = (to: Meter, own: readonly number[]): void => {
          const picked = new Float32Array(own.length * outputCount);
          own.forEach((i, at) => {
            const from = (i * foldCount + fold) * outputCount;
            picked.set(outputs.subarray(from, from + outputCount), at * outputCount);
          });
          to.add(
            picked,
            own.map((i) => rows[i]!),
          );
        };
        add(
          meter.train,
          plain.filter((i) => learns(i, fold)),
        );
        add(
          meter.validation,
          plain.filter((i) => !learns(i, fold)),
        );
      }
    }
    const scores = meters.map((meter) => ({
      train: meter.train.score(),
      validation: meter.validation.score(),
    }));
    return { scores, curvature };
  }
}

/**
 * How far the next optimum lies beyond the last, in steps of what the last lies beyond the one before, over log λ: there
 * the path of optima is nearly straight. No more than 2, where a list has wide gaps.
 */
function reachOf(before: number, last: number, next: number): number {
  return Math.min(2, Math.log(last / next) / Math.log(before / last));
}

function goOn(before: Float64Array, last: Float64Array, reach: number): Float64Array {
  return last.map((value, i) => value + reach * (value - before[i]!));
}

function rowsWhere(folds: Int32Array, accepts: (fold: number) => boolean): Int32Array {
  return Int32Array.from({ length: folds.length }, (_, row) => row).filter((row) => accepts(folds[row]!));
}
