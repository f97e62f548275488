/**
 * Limited-memory BFGS with a line search for the strong Wolfe conditions.
 * Nocedal & Wright, Numerical Optimization, 2nd ed.: algorithms 7.4 (two-loop recursion), 3.5 and 3.6 (line search).
 */
import { CurvatureMemory, type CurvaturePair } from './curvature-memory.js';
import { mostVectors, VectorSpace } from './vector-space.js';
import { searchLine } from './wolfe-line-search.js';

export interface Evaluation {
  readonly value: number;
  /** How large the gradient is to the caller, who may know other variables; default: its largest component. */
  readonly size?: number | undefined;
}

/** Writes the gradient at `x` into `gradient`, every element of it; both are lent until the promise settles. */
export type Objective = (x: Float64Array, gradient: Float64Array) => Promise<Evaluation>;

export interface LbfgsOptions {
  readonly maxIterations?: number;
  /** Stops where the largest gradient component is below this share of the first one. */
  readonly gradientTolerance?: number;
  /** Stops where the gradient's size is no more than this. */
  readonly gradientLimit?: number;
  /** Stops where the objective is expected to fall by less than this share of itself, were the search to go on. */
  readonly valueTolerance?: number;
  /** Stops where the last ten iterations together lowered the objective by less than this share of it; default: never. */
  readonly stallTolerance?: number;
  /** Pairs of steps and gradient changes that are remembered. */
  readonly memory?: number;
  /** Curvature that an earlier search on the same objective learned. */
  readonly curvature?: readonly CurvaturePair[];
  /** How far that search thought it was from the optimum, in units of the objective. */
  readonly expectedFall?: number;
  /** The objective's values in that search, where this one goes on from its end. */
  readonly values?: readonly number[];
  /** Stops where a line search takes more evaluations than this: the objective is too noisy to go on. */
  readonly patience?: number;
  /** Rounding of the objective's values, as a share of them. */
  readonly rounding?: number;
  /** Length of the first step, in units of the gradient; 1 where the variables are scaled to curvature 1. */
  readonly firstStep?: number;
  /** Goes on from here, with the same bits as if it had never stopped; `start` and `curvature` are then not looked at. */
  readonly from?: LbfgsState | undefined;
  /** After each iteration; true stops. All vectors are only lent: copy what is to last. */
  readonly onIteration?: (
    iteration: number,
    x: Float64Array,
    value: number,
    state: () => LbfgsState,
  ) => Promise<boolean | undefined>;
}

/** All that the next iteration depends on. */
export interface LbfgsState extends Evaluation {
  readonly iteration: number;
  readonly x: Float64Array;
  readonly gradient: Float64Array;
  readonly pairs: readonly CurvaturePair[];
  /** Of the objective, one an iteration. */
  readonly values: readonly number[];
  readonly evaluations: number;
  /** Largest gradient component at which the search stops. */
  readonly smallEnough: number;
}

/**
 * Why a search ended. Converged: `gradient` (it is small enough), `objective` (it would hardly fall further), `stall` (it
 * hardly fell any more), `precision` (rounding hides any fall). Not converged: `noise` (a line search took too long),
 * `iterations` (there were no more), `caller`.
 */
export type StopReason = 'gradient' | 'objective' | 'stall' | 'precision' | 'noise' | 'iterations' | 'caller';

export interface LbfgsResult {
  readonly x: Float64Array;
  readonly value: number;
  readonly iterations: number;
  readonly evaluations: number;
  readonly converged: boolean;
  readonly reason: StopReason;
  /** Of the gradient at `x`; see `Evaluation`. */
  readonly gradientSize: number;
  readonly curvature: readonly CurvaturePair[];
  /** Of the objective: at the start, and after each iteration. */
  readonly values: readonly number[];
  /** How much lower the optimum was thought to lie when the search ended. */
  readonly expectedFall: number;
}

/** Vectors of a search besides the pairs: x, the one on trial, the direction, and gradients of these and of one more point. */
const ownVectors = 6;

const unfinished: readonly StopReason[] = ['noise', 'iterations', 'caller'];

/** Iterations over which the objective's fall is watched. */
const window = 10;

/** Minimises `objective` from `start`, which is not changed. */
export async function lbfgs(
  objective: Objective,
  start: Float64Array,
  options: LbfgsOptions = {},
): Promise<LbfgsResult> {
  const {
    maxIterations = 1000,
    gradientTolerance = 1e-9,
    gradientLimit = 0,
    valueTolerance = 5e-8,
    stallTolerance = 0,
    memory = 20,
    patience = Number.POSITIVE_INFINITY,
    rounding = 1e-14,
    onIteration,
  } = options;
  const { from } = options;
  // Of more pairs than fit into its memory the last ones are remembered.
  const capacity = Math.max(1, Math.min(memory, Math.floor((mostVectors(start.length) - ownVectors) / 2)));
  const needs = CurvatureMemory.needs(capacity);
  const space = new VectorSpace(start.length, ownVectors + needs.vectors, needs.bytes);
  let [x, trial, gradient] = [space.take(), space.take(), space.take()];
  const direction = space.take();
  let spare: readonly [Float64Array, Float64Array] = [space.take(), space.take()];
  x.set(from?.x ?? start);
  if (from) gradient.set(from.gradient);
  let { value, size } = from ?? (await objective(x, gradient));
  let evaluations = from?.evaluations ?? 1;
  const curvature = new CurvatureMemory(space, capacity, from?.pairs ?? options.curvature);
  const smallEnough = from?.smallEnough ?? gradientTolerance * space.largestMagnitude(gradient);
  const values = [...(from?.values ?? options.values ?? [value])];
  let expected = Number.POSITIVE_INFINITY;
  const done = (iterations: number, reason: StopReason): LbfgsResult => ({
    x,
    value,
    iterations,
    evaluations,
    converged: !unfinished.includes(reason),
    reason,
    gradientSize: size ?? space.largestMagnitude(gradient),
    curvature: curvature.pairs,
    values,
    expectedFall: expected,
  });
  for (let iteration = (from?.iteration ?? 0) + 1; iteration <= maxIterations; iteration++) {
    const largest = space.largestMagnitude(gradient);
    if (largest <= smallEnough || (size ?? largest) <= gradientLimit) return done(iteration - 1, 'gradient');
    curvature.direction(gradient, direction);
    let slope = space.dot(direction, gradient);
    if (!(slope < 0)) {
      // The remembered curvature is spoilt by rounding: begin afresh.
      curvature.clear();
      curvature.direction(gradient, direction);
      slope = space.dot(direction, gradient);
    }
    expected = expectedFall(values, -slope / 2, options.expectedFall ?? Number.POSITIVE_INFINITY);
    if (expected <= valueTolerance * Math.abs(value)) return done(iteration - 1, 'objective');
    const before = values.at(-1 - window);
    if (before !== undefined && before - value < stallTolerance * Math.abs(value))
      return done(iteration - 1, stallTolerance > 0 ? 'stall' : 'precision');
    const first = curvature.pairs.length > 0 ? 1 : (options.firstStep ?? Math.min(1, 1 / Math.sqrt(-slope)));
    const ray = { x, value, gradient, direction, slope, first, noise: rounding * Math.abs(value) };
    const found = await searchLine(objective, ray, { space, x: trial, gradients: spare });
    evaluations += found.evaluations;
    if (found.step === 0) {
      if (patience < Number.POSITIVE_INFINITY) return done(iteration - 1, 'noise');
      if (curvature.pairs.length === 0) return done(iteration - 1, 'precision');
      // No progress along a quasi-Newton direction: the plain gradient has the last word.
      curvature.clear();
      continue;
    }
    curvature.add(trial, x, found.gradient, gradient);
    [x, trial] = [trial, x];
    spare = [gradient, spare[0] === found.gradient ? spare[1] : spare[0]];
    ({ value, gradient, size } = found);
    values.push(value);
    if (found.evaluations > patience) return done(iteration, 'noise');
    const state = (): LbfgsState => ({
      iteration,
      x,
      value,
      gradient,
      size,
      pairs: curvature.pairs,
      values,
      evaluations,
      smallEnough,
    });
    if (await onIteration?.(iteration, x, value, state)) return done(iteration, 'caller');
  }
  return done(maxIterations, 'iterations');
}

/**
 * How much further the objective would fall. Two guesses, of which the larger counts: the Newton decrement
 * ½ gᵀHg, with H the curvature learned so far, and the falls of the last two windows, gone on with as a geometric
 * series. On logistic regressions of many kinds the true fall was 1 to 20 times the decrement (200 once) and about
 * once the series (9 times once), hence the factors. `before` stands for the series while the search is young.
 */
function expectedFall(values: readonly number[], decrement: number, before: number): number {
  let series = before;
  if (values.length > 2 * window) {
    const value = values.at(-1)!;
    const middle = values.at(-1 - window)!;
    const [earlier, now] = [values.at(-1 - 2 * window)! - middle, middle - value];
    const ratio = Math.min(0.95, Math.max(0, now / earlier));
    series = (now * ratio) / (1 - ratio);
  }
  return Math.min(100 * decrement, Math.max(20 * decrement, series));
}
