import { lbfgs, type LbfgsOptions, type LbfgsResult, type LbfgsState } from '../optim/lbfgs.js';
import { type ConvexProblem, startingPoint } from './convex-problem.js';
import { type Anchor, type ExactStep, measureAnchor, openExactStep } from './exact-step.js';
import { layoutParameters } from './parameter-layout.js';
import { type Replica, replicaObjectives, termsFor } from './replica-objective.js';
import type { Fit, Fitted } from './fit.js';
import { inBasis, openVariablesFinder, type VariablesFinder } from './fit-variables.js';
import { fitTargetScaling } from './scale-targets.js';
import { restore, stateOf } from './search-state.js';
import { transposedBlocks } from './transposed-blocks.js';

/** Share of the objective by which float32 scores leave it uncertain. */
const float32Rounding = 1e-7;
/**
 * A head that is not convex creeps on for thousands of iterations, each worth little to new examples: on MLPs for one
 * and for several labels, at weak and strong penalties, stopping at less than this share in ten iterations took a half
 * to a fifth of the iterations, left the objective 0 to 1.8 % higher and the held-out loss within 2 % either way.
 */
const worthwhileFall = 3e-4;
/** What differences from an anchor leave uncertain, as a share of the objective, while they are small. */
const anchoredRounding = 1e-11;
/**
 * What the gradient of the mean objective may be where no tolerance is given: so little that the rule for the objective nearly
 * always comes first.
 */
const smallGradient = 1e-10;
/** Iterations after which differences are counted from a new anchor. */
const anchoredIterations = 50;
/**
 * Iterations after which the curvature is looked at. On image features this took a third of the iterations of never looking.
 * Before the first iterations it tells little: where classes lie far apart it soon is elsewhere, and variables by it took four
 * times the iterations.
 */
const looksAt = [8, 30, 100, 320];
/** Most memory for logits and slopes at an anchor. */
const mostAnchorBytes = 2 ** 28;

/**
 * L-BFGS on the whole training part: minimises Σ loss + λ/2 · ‖W‖² until going on would lower it by less than a
 * millionth of itself, mostly much less; a head that is not convex until ten iterations gain next to nothing. It begins in
 * float32 and ends in float64, where an easy problem needs one evaluation more and a hard one goes on, in differences from
 * a float64 point where it can: the objective reported is a float64 one. With a tolerance it goes on, or stops early, until no
 * component of the mean objective's gradient is above it, as scikit-learn does.
 */
export async function fitToOptimum(fit: Fit): Promise<Fitted> {
  const { head, task, train, options, classWeights } = fit;
  const problem: ConvexProblem = {
    layout: layoutParameters(head.parameters),
    penalized: head.penalized,
    l2: options.l2 * head.penaltyFactor,
    weightUnits: fit.rawPenalty?.std,
    prior: task.prior(task.sumTargets(train, classWeights), train.classes.length),
  };
  if (!head.isConvex) return minimize(fit, problem);
  const finder = await openVariablesFinder(fit, problem);
  try {
    return await minimize(fit, problem, finder);
  } finally {
    await finder.release();
  }
}

/** @param finder - given where the problem is convex */
async function minimize(fit: Fit, problem: ConvexProblem, finder?: VariablesFinder): Promise<Fitted> {
  const { task, train, options, classWeights } = fit;
  const { layout } = problem;
  const begun = fit.from && restore(fit.from);
  let variables = inBasis(plainReplica(problem, train.rows));
  if (finder) variables = finder.restore(begun?.sketch);
  let looks = begun?.looks ?? 0;
  const parametersAt = async (u: Float64Array) => layout.unflatten(await variables.toParameters(u));
  const maxIterations = options.epochs ?? 1000;
  const { tolerance } = options;
  const gradientLimit = tolerance ?? smallGradient * unitOf(fit);
  /** Of the gradient of the sum: scikit-learn's `tol` is compared with that of the mean. */
  const limits: LbfgsOptions = { gradientLimit: train.rows * gradientLimit };
  /** Where the gradient decides, nothing else does; float32 knows no more than how far it can go. */
  const exactly: LbfgsOptions =
    tolerance === undefined ? limits : { ...limits, gradientTolerance: 0, valueTolerance: 0 };
  let iterations = begun?.iterations ?? 0;
  const stepOptions = {
    spec: options.head,
    task: task.kind,
    train,
    loss: options.loss,
    classWeights,
    targetScale: fit.targetScaling?.std,
    threads: fit.threads,
    transposes: transposedBlocks(train, true),
  };
  const searchOn = async (
    step: ExactStep,
    from: Float64Array,
    settings: LbfgsOptions,
    anchoredAt?: Float64Array,
  ): Promise<LbfgsResult> => {
    const { precision } = step;
    const { objectives } = replicaObjectives(step, layout, [variables.replica], variables.basis);
    return lbfgs(objectives[0]!, from, {
      ...settings,
      onIteration: async (_, u, value, state) => {
        iterations++;
        fit.check(iterations, value);
        if (isRecorded(iterations)) await fit.record(iterations, value, await parametersAt(u));
        await fit.checkpoint(iterations, () =>
          stateOf(
            { precision, iterations, looks, sketch: variables.basis?.sketch, anchoredAt },
            state(),
            settings.expectedFall,
          ),
        );
        return false;
      },
    });
  };
  /** Iterations of L-BFGS after which there were `until` in all. */
  const iterationsTo = (until: number, from: LbfgsState | undefined): number =>
    until - iterations + (from?.iteration ?? 0);
  /** In float64, on which all depends in the end. */
  const search = async (
    from: Float64Array,
    settings: LbfgsOptions,
    anchoredAt?: Float64Array,
  ): Promise<LbfgsResult> => {
    const anchor = anchoredAt && (await anchorAt(anchoredAt));
    const step = await openExactStep({ ...stepOptions, precision: 'float64', anchor });
    const left = iterationsTo(maxIterations, settings.from);
    try {
      const most = anchor ? Math.min(anchoredIterations, left) : left;
      return await searchOn(step, from, { ...settings, maxIterations: most }, anchoredAt);
    } finally {
      await step.release();
    }
  };
  const anchorAt = async (u: Float64Array): Promise<Anchor> => {
    const { replica, basis } = variables;
    const terms = termsFor(layout, [replica], 'float64', basis);
    return measureAnchor(stepOptions, layout.stack([u], 'float64', [replica.scale]), terms);
  };
  const canAnchor =
    options.head.kind === 'linear' &&
    task.ownParameters(train.classes.length).size === 0 &&
    2 * Float64Array.BYTES_PER_ELEMENT * train.rows * train.classes.length <= mostAnchorBytes;
  const inFloat64 = async (
    from: Float64Array,
    settings: LbfgsOptions,
    anchoredAt = canAnchor ? from : undefined,
  ): Promise<LbfgsResult> => {
    if (!anchoredAt) return search(from, settings);
    // Of this search, which may have been taken up again within.
    const before = iterations - (settings.from?.iteration ?? 0);
    const careful = { ...settings, rounding: anchoredRounding, patience: 5 };
    const result = await search(from, careful, anchoredAt);
    const isDone = tolerance === undefined ? result.converged : result.reason === 'gradient';
    if (isDone || iterations >= maxIterations) return result;
    const { curvature, values, expectedFall } = result;
    // Where the gradient decides, a fall that rounding hid in the values before is no reason to stop.
    const next = { ...exactly, curvature, ...(tolerance === undefined && { values, expectedFall }) };
    // What is left is too small for differences, or too far from the optimum.
    const hasFallen = result.value < result.values.at(-1 - result.iterations)!;
    return iterations > before && hasFallen ? inFloat64(result.x, next) : search(result.x, next);
  };
  const finish = async (result: LbfgsResult): Promise<Fitted> => {
    const parameters = await parametersAt(result.x);
    if (!isRecorded(iterations)) await fit.record(iterations, result.value, parameters);
    const gradient = result.gradientSize / train.rows;
    // What is noise to float32, or to differences, is the end where there is no more exact way to go on.
    const hidden = iterations >= maxIterations ? 'iterations' : 'precision';
    const reason = result.reason === 'noise' ? hidden : result.reason;
    if (reason === 'iterations') {
      options.logger.warn(
        `L-BFGS was stopped after ${iterations} iterations, before it had converged; allow more with --epochs.`,
      );
    }
    if (reason === 'precision' && tolerance !== undefined) {
      options.logger.warn(
        `L-BFGS ended at a gradient of ${gradient.toExponential(1)}, above the --tolerance ${tolerance}: ` +
          'rounding hides any further fall of the objective.',
      );
    }
    return {
      parameters,
      objective: result.value,
      stoppedAt: iterations,
      convergence: { reason, gradient, tolerance: gradientLimit, iterations },
    };
  };
  /** In float32, in better and better variables. */
  const roughly = async (
    step: ExactStep,
    start: Float64Array,
    always: LbfgsOptions,
  ): Promise<LbfgsResult> => {
    let from = start;
    let own: LbfgsOptions = begun?.settings ?? {};
    for (;;) {
      const look = finder ? (looksAt[looks] ?? maxIterations) : maxIterations;
      const most = iterationsTo(Math.min(look, maxIterations), own.from);
      const result = await searchOn(step, from, { ...always, ...own, maxIterations: most });
      if (!finder || result.reason !== 'iterations' || iterations >= maxIterations) return result;
      looks++;
      const x = await variables.toParameters(result.x);
      const found = await finder.better(x, variables);
      const isSame = found === variables;
      variables = found;
      from = isSame ? result.x : await variables.fromParameters(x);
      own = { values: result.values, ...(isSame && { curvature: result.curvature }) };
    }
  };
  if (begun?.precision === 'float64') {
    const { anchoredAt } = begun;
    const settings = { ...exactly, ...begun.settings };
    return finish(
      await (anchoredAt
        ? inFloat64(begun.settings.from.x, settings, anchoredAt)
        : search(begun.settings.from.x, settings)),
    );
  }
  const start = finder ? startingPoint(problem) : layout.flatten(fit.parameters);
  const step = await openExactStep({ ...stepOptions, precision: 'float32' });
  const rough = await roughly(step, await variables.fromParameters(start), {
    ...limits,
    valueTolerance: finder ? float32Rounding : tolerance === undefined ? 1e-6 : 0,
    rounding: float32Rounding,
    patience: 5,
    ...(finder ? { firstStep: 1 } : tolerance === undefined && { stallTolerance: worthwhileFall }),
  }).finally(() => step.release());
  // A head that is not convex has no one optimum to be exact about.
  if (!finder) return finish(rough);
  const settings = {
    ...exactly,
    curvature: rough.curvature,
    ...(rough.converged && { expectedFall: rough.expectedFall }),
  };
  return finish(await inFloat64(rough.x, settings));
}

/** Scoring both parts costs about as much as an iteration, so it is done at the powers of two. */
function isRecorded(iteration: number): boolean {
  return iteration > 0 && (iteration & (iteration - 1)) === 0;
}

/** Amounts far below 1 have a small gradient anywhere: it is in their unit. */
function unitOf({ task, train, targetScaling }: Fit): number {
  if (task.kind !== 'regression' || targetScaling) return 1;
  return Math.min(1, ...fitTargetScaling(train).std);
}

/** Where the curvature is not known beforehand. */
function plainReplica({ layout, penalized, l2 }: ConvexProblem, rows: number): Replica {
  const penalty = new Float64Array(layout.size);
  for (const { name, from, to } of layout.parts) if (penalized.includes(name)) penalty.fill(l2, from, to);
  return { penalty, scale: new Float64Array(layout.size).fill(1 / Math.sqrt(rows)), heldOut: -1 };
}
