/**
 * How L-BFGS comes to the optimum of a head: in float32 first, then in float64, where an easy problem needs one evaluation more and
 * a hard one goes on, in differences from a float64 point where it can.
 */
import { lbfgs, type LbfgsOptions, type LbfgsResult, type LbfgsState } from '../optim/lbfgs.js';
import type { Tensor } from '../tensor/tensor.js';
import { type ConvexProblem, startingPoint } from './convex-problem.js';
import {
  type Anchor,
  type ExactStep,
  type ExactStepOptions,
  measureAnchor,
  openExactStep,
} from './exact-step.js';
import type { ParameterLayout } from './parameter-layout.js';
import { replicaObjectives, termsFor } from './replica-objective.js';
import type { Fit, Fitted } from './fit.js';
import { plainVariables, type Variables, type VariablesFinder } from './fit-variables.js';
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

/** The search of one fit, or what is left of it where it was interrupted. Used once. */
export class OptimumSearch {
  readonly #fit: Fit;
  readonly #finder: VariablesFinder | undefined;
  readonly #layout: ParameterLayout;
  readonly #stepOptions: Omit<ExactStepOptions, 'precision' | 'anchor'>;
  readonly #begun: ReturnType<typeof restore> | undefined;
  /** Where the problem is convex, the start; else that of the head's own parameters. */
  readonly #start: Float64Array;
  readonly #maxIterations: number;
  /** Of the largest component of the gradient of the mean objective, as scikit-learn's `tol`. */
  readonly #gradientLimit: number;
  /** The variables that are searched in. */
  #variables: Variables;
  /** How often they were looked for. */
  #looks: number;
  #iterations: number;

  /** @param finder - given where the problem is convex */
  constructor(fit: Fit, problem: ConvexProblem, finder?: VariablesFinder) {
    const { task, train, options, classWeights, targetScaling, threads } = fit;
    this.#fit = fit;
    this.#finder = finder;
    this.#layout = problem.layout;
    this.#stepOptions = {
      spec: options.head,
      task: task.kind,
      train,
      loss: options.loss,
      classWeights,
      targetScale: targetScaling?.std,
      threads,
      transposes: transposedBlocks(train, true),
    };
    this.#start = finder ? startingPoint(problem) : problem.layout.flatten(fit.parameters);
    this.#maxIterations = options.epochs ?? 1000;
    this.#gradientLimit = options.tolerance ?? smallGradient * unitOf(fit);
    this.#begun = fit.from && restore(fit.from);
    this.#variables = finder ? finder.restore(this.#begun?.sketch) : plainVariables(problem, train.rows);
    this.#looks = this.#begun?.looks ?? 0;
    this.#iterations = this.#begun?.iterations ?? 0;
  }

  async run(): Promise<Fitted> {
    const begun = this.#begun;
    if (begun?.precision === 'float64') {
      const { anchoredAt } = begun;
      const settings = { ...this.#exactSettings, ...begun.settings };
      const { x } = begun.settings.from;
      return this.#finish(
        await (anchoredAt ? this.#anchored(x, settings, anchoredAt) : this.#exactly(x, settings)),
      );
    }
    const rough = await this.#roughly(begun?.settings ?? {});
    // A head that is not convex has no one optimum to be exact about.
    if (!this.#finder) return this.#finish(rough);
    const settings = {
      ...this.#exactSettings,
      curvature: rough.curvature,
      ...(rough.converged && { expectedFall: rough.expectedFall }),
    };
    const search = this.#canAnchor ? this.#anchored(rough.x, settings) : this.#exactly(rough.x, settings);
    return this.#finish(await search);
  }

  get #limits(): LbfgsOptions {
    // Of the gradient of the sum.
    return { gradientLimit: this.#fit.train.rows * this.#gradientLimit };
  }

  /** Where the gradient decides, nothing else does; float32 knows no more than how far it can go. */
  get #exactSettings(): LbfgsOptions {
    const decides = this.#fit.options.tolerance !== undefined;
    return { ...this.#limits, ...(decides && { gradientTolerance: 0, valueTolerance: 0 }) };
  }

  get #canAnchor(): boolean {
    const { options, task, train } = this.#fit;
    const logits = train.rows * train.classes.length;
    return (
      options.head.kind === 'linear' &&
      task.ownParameters(train.classes.length).size === 0 &&
      2 * Float64Array.BYTES_PER_ELEMENT * logits <= mostAnchorBytes
    );
  }

  /** In float32, in better and better variables. */
  async #roughly(begunSettings: LbfgsOptions): Promise<LbfgsResult> {
    const step = await openExactStep({ ...this.#stepOptions, precision: 'float32' });
    try {
      return await this.#inBetterVariables(step, begunSettings);
    } finally {
      await step.release();
    }
  }

  async #inBetterVariables(step: ExactStep, begunSettings: LbfgsOptions): Promise<LbfgsResult> {
    const finder = this.#finder;
    const always = this.#roughSettings;
    let from = await this.#variables.fromParameters(this.#start);
    let own = begunSettings;
    for (;;) {
      const look = finder ? (looksAt[this.#looks] ?? this.#maxIterations) : this.#maxIterations;
      const most = this.#iterationsTo(Math.min(look, this.#maxIterations), own.from);
      const result = await this.#searchOn(step, from, { ...always, ...own, maxIterations: most });
      if (!finder || result.reason !== 'iterations' || this.#isSpent) return result;
      this.#looks++;
      const x = await this.#variables.toParameters(result.x);
      const found = await finder.better(x, this.#variables);
      const isSame = found === this.#variables;
      this.#variables = found;
      from = isSame ? result.x : await found.fromParameters(x);
      own = { values: result.values, ...(isSame && { curvature: result.curvature }) };
    }
  }

  get #roughSettings(): LbfgsOptions {
    const common = { ...this.#limits, rounding: float32Rounding, patience: 5 };
    if (this.#finder) return { ...common, valueTolerance: float32Rounding, firstStep: 1 };
    if (this.#fit.options.tolerance !== undefined) return { ...common, valueTolerance: 0 };
    return { ...common, valueTolerance: 1e-6, stallTolerance: worthwhileFall };
  }

  /** In differences from a float64 point, and from a new one after a while; to the end in float64 where they are no use. */
  async #anchored(from: Float64Array, settings: LbfgsOptions, anchoredAt = from): Promise<LbfgsResult> {
    // Of this search, which may have been taken up again within.
    const before = this.#iterations - (settings.from?.iteration ?? 0);
    const careful = { ...settings, rounding: anchoredRounding, patience: 5 };
    const result = await this.#exactly(from, careful, anchoredAt);
    const { tolerance } = this.#fit.options;
    const isDone = tolerance === undefined ? result.converged : result.reason === 'gradient';
    if (isDone || this.#isSpent) return result;
    const { curvature, values, expectedFall } = result;
    // Where the gradient decides, a fall that rounding hid in the values before is no reason to stop.
    const next = {
      ...this.#exactSettings,
      curvature,
      ...(tolerance === undefined && { values, expectedFall }),
    };
    // What is left is too small for differences, or too far from the optimum.
    const hasFallen = result.value < result.values.at(-1 - result.iterations)!;
    const mayHelp = this.#iterations > before && hasFallen;
    return mayHelp ? this.#anchored(result.x, next) : this.#exactly(result.x, next);
  }

  /** In float64, on which all depends in the end; no more than a while where it is in differences from `anchoredAt`. */
  async #exactly(
    from: Float64Array,
    settings: LbfgsOptions,
    anchoredAt?: Float64Array,
  ): Promise<LbfgsResult> {
    const anchor = anchoredAt && (await this.#anchorAt(anchoredAt));
    const step = await openExactStep({ ...this.#stepOptions, precision: 'float64', anchor });
    const left = this.#iterationsTo(this.#maxIterations, settings.from);
    try {
      const most = anchor ? Math.min(anchoredIterations, left) : left;
      return await this.#searchOn(step, from, { ...settings, maxIterations: most }, anchoredAt);
    } finally {
      await step.release();
    }
  }

  async #anchorAt(u: Float64Array): Promise<Anchor> {
    const { replica, basis } = this.#variables;
    const terms = termsFor(this.#layout, [replica], 'float64', basis);
    return measureAnchor(this.#stepOptions, this.#layout.stack([u], 'float64', [replica.scale]), terms);
  }

  async #searchOn(
    step: ExactStep,
    from: Float64Array,
    settings: LbfgsOptions,
    anchoredAt?: Float64Array,
  ): Promise<LbfgsResult> {
    const { precision } = step;
    const { replica, basis } = this.#variables;
    const { objectives } = replicaObjectives(step, this.#layout, [replica], basis);
    return lbfgs(objectives[0]!, from, {
      ...settings,
      onIteration: async (_, u, value, state) => {
        const iterations = ++this.#iterations;
        this.#fit.check(iterations, value);
        if (isRecorded(iterations)) await this.#fit.record(iterations, value, await this.#parametersAt(u));
        await this.#fit.checkpoint(iterations, () =>
          stateOf(
            { precision, iterations, looks: this.#looks, sketch: basis?.sketch, anchoredAt },
            state(),
            settings.expectedFall,
          ),
        );
        return false;
      },
    });
  }

  async #finish(result: LbfgsResult): Promise<Fitted> {
    const { train, options } = this.#fit;
    const iterations = this.#iterations;
    const parameters = await this.#parametersAt(result.x);
    if (!isRecorded(iterations)) await this.#fit.record(iterations, result.value, parameters);
    const gradient = result.gradientSize / train.rows;
    // What is noise to float32, or to differences, is the end where there is no more exact way to go on.
    const hidden = this.#isSpent ? 'iterations' : 'precision';
    const reason = result.reason === 'noise' ? hidden : result.reason;
    if (reason === 'iterations') {
      options.logger.warn(
        `L-BFGS was stopped after ${iterations} iterations, before it had converged; allow more with --epochs.`,
      );
    }
    if (reason === 'precision' && options.tolerance !== undefined) {
      options.logger.warn(
        `L-BFGS ended at a gradient of ${gradient.toExponential(1)}, above the --tolerance ${options.tolerance}: ` +
          'rounding hides any further fall of the objective.',
      );
    }
    return {
      parameters,
      objective: result.value,
      stoppedAt: iterations,
      convergence: { reason, gradient, tolerance: this.#gradientLimit, iterations },
    };
  }

  get #isSpent(): boolean {
    return this.#iterations >= this.#maxIterations;
  }

  /** Iterations of L-BFGS after which there were `until` in all. */
  #iterationsTo(until: number, from: LbfgsState | undefined): number {
    return until - this.#iterations + (from?.iteration ?? 0);
  }

  async #parametersAt(u: Float64Array): Promise<ReadonlyMap<string, Tensor>> {
    return this.#layout.unflatten(await this.#variables.toParameters(u));
  }
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
