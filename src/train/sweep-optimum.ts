/**
 * Cross-validates a linear head over a path of L2 penalties: every fold is a replica of one step graph, all folds of
 * one λ advance together, and each λ starts where the stronger one before it ended.
 *
 * One set of features serves all folds, scaled by the mean and deviation of all rows. A fold's own standardisation is
 * that of its training rows alone, nothing of what it holds out: with z the shared features and s the deviation of z
 * over those rows, a weight on (z - mean) / s that is penalised by λ/2 · v² is a weight w = v / s on z penalised by
 * λ s²/2 · w²; the means go into the bias, which is free. So only the penalties differ from fold to fold.
 */
import { buildHead } from '../heads/build-head.js';
import type { HeadSpec } from '../heads/head.js';
import type { LossSpec, Prior, TaskKind } from '../tasks/task.js';
import { taskOf } from '../tasks/task-of.js';
import { type ConvexProblem, scaleProblem, startingPoint } from './convex-problem.js';
import { openExactStep } from './exact-step.js';
import type { AnyFeatureSet } from './feature-set.js';
import { openBasisFinder } from './find-basis.js';
import { openHeadScorer } from './head-scorer.js';
import { minimizeReplicas } from './minimize-replicas.js';
import { layoutParameters } from './parameter-layout.js';
import { type FoldScores, scoreFolds } from './score-folds.js';
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

export interface SweptFold extends FoldScores {
  /** Sum of the losses of the fold's training rows + λ/2 · ‖W‖². */
  readonly objective: number;
  readonly iterations: number;
}

/** Iterations a fit from which on a better basis is looked for. */
const manyIterations = 10;

/** By λ, a result for each fold. */
export async function sweepOptimum(
  options: OptimumSweepOptions,
): Promise<ReadonlyMap<number, readonly SweptFold[]>> {
  const { train, foldCount, head: spec, threads, signal, loss, onFit } = options;
  const { views = 1 } = train;
  const examples = options.folds.length;
  /** Of each row: all views of an example are in its fold. */
  const folds = Int32Array.from({ length: train.rows }, (_, row) => options.folds[row % examples]!);
  const task = taskOf(options.task);
  const shape = { dim: train.dim, outputCount: train.classes.length, task: task.kind };
  const head = buildHead(spec, shape);
  const layout = layoutParameters(head.parameters);
  const weight = head.penalized[0]!;
  const scaling = await measureStandardization(train);
  const shared = standardize(train, scaling);
  const parts = await describeFolds(shared, { ...options, folds, rawUnits: scaling.std });
  // The sum over all views with λ · views is `views` times the objective.
  const inSum = (l2: number): number => l2 * head.penaltyFactor * views;
  const problemOf = (part: FoldPart, l2: number): ConvexProblem => ({
    ...{ layout, penalized: head.penalized, l2: inSum(l2) },
    ...part,
  });
  const step = await openExactStep({
    spec,
    task: task.kind,
    train: shared,
    loss,
    folds,
    threads,
    transposes: transposedBlocks(shared, true),
  });
  const scorer = await openHeadScorer(spec, shape, threads);
  const finder = await openBasisFinder(shared, layout, weight, threads);
  const results = new Map<number, readonly SweptFold[]>();
  let starts = parts.map((part) => startingPoint(problemOf(part, 1)));
  let before: { readonly l2: number; readonly points: readonly Float64Array[] } | undefined;
  let basis: WeightBasis | undefined;
  try {
    const path = [...new Set(options.l2)].sort((a, b) => b - a);
    for (const [i, l2] of path.entries()) {
      const replicas = parts.map((part) => scaleProblem(problemOf(part, l2)));
      const found = await minimizeReplicas(replicas, starts, { step, layout, weight, basis, signal, onFit });
      const points = found.map(({ x }) => x);
      const blocks = scorer.blocks(shared, layout.stack(points));
      const { scores, curvature } = await scoreFolds(blocks, {
        ...{ task, loss, train, folds, foldCount, examples },
      });
      const fits = scores.map((score, at) => ({
        objective: found[at]!.value / views,
        iterations: found[at]!.iterations,
        ...score,
      }));
      results.set(l2, fits);
      options.onPenalty?.(l2, fits);
      const next = path[i + 1];
      if (next !== undefined && fits.some(({ iterations }) => iterations > manyIterations)) {
        basis = (await finder.find(curvature, meanPenalty(parts, inSum(next)), basis)) ?? basis;
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
}

/** What the problem of a fold has of its own. */
interface FoldPart {
  readonly heldOut: number;
  readonly weightUnits: Float64Array;
  readonly prior: Prior;
}

/**
 * One fold after another, as each takes a pass over the features.
 * @param shared - scaled by the deviation of all rows, `rawUnits`
 */
async function describeFolds(
  shared: AnyFeatureSet,
  {
    folds,
    foldCount,
    task: kind,
    standardize: isAsked,
    rawUnits,
  }: OptimumSweepOptions & { readonly rawUnits: Float64Array },
): Promise<readonly FoldPart[]> {
  const task = taskOf(kind);
  const parts: FoldPart[] = [];
  for (let heldOut = 0; heldOut < foldCount; heldOut++) {
    const kept = rowsWhere(folds, (fold) => fold !== heldOut);
    const weightUnits = isAsked
      ? (await measureStandardization(selectRows(shared, kept))).std.map((std) => 1 / std)
      : rawUnits;
    const totals = task.sumTargets(shared, undefined, (row) => folds[row] !== heldOut);
    parts.push({ heldOut, weightUnits, prior: task.prior(totals, shared.classes.length) });
  }
  return parts;
}

/** The penalty of a weight of each feature, for a basis that all folds share. */
function meanPenalty(parts: readonly FoldPart[], l2: number): Float64Array {
  return parts[0]!.weightUnits.map((_, d) => {
    const mean = parts.reduce((sum, { weightUnits }) => sum + 1 / weightUnits[d]! ** 2, 0) / parts.length;
    return l2 * mean;
  });
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
