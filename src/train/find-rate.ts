/**
 * The learning-rate range test (Smith 2017, "Cyclical Learning Rates for Training Neural Networks", section 3.3): the
 * rate rises exponentially, a batch each, and the loss is watched. Much as fastai has it, the loss is smoothed by a running
 * average without bias, the test ends where it is four times the best, and two rates are suggested: where the loss falls
 * steepest, and a tenth of that where it is lowest. The smaller of the two is the one to take.
 */
import { invalidArgument } from '../errors.js';
import { buildHead } from '../heads/build-head.js';
import type { HeadSpec } from '../heads/head.js';
import { createRng } from '../rng.js';
import type { TaskKind } from '../tasks/task.js';
import { taskOf } from '../tasks/task-of.js';
import { type AnyFeatureSet, isInMemory, type StreamedSet } from './feature-set.js';
import { openLearner } from './learner.js';
import { learnerMemory } from './learner-memory.js';
import { openMinibatchStep } from './minibatch-step.js';
import { fitTargetScaling, scaleTargets, unscaleOutputs } from './scale-targets.js';
import { measureStandardization, standardize } from './standardize.js';
import { startingParameters } from './starting-parameters.js';
import { fillIn, type TrainOptions } from './train-options.js';
import { countExamples } from './views.js';

export type RateTestOptions = Pick<
  TrainOptions,
  | 'loss'
  | 'classWeights'
  | 'batch'
  | 'momentum'
  | 'nesterov'
  | 'clipNorm'
  | 'standardize'
  | 'seed'
  | 'threads'
> & {
  readonly head: HeadSpec;
  readonly task: TaskKind;
  readonly solver: 'adamw' | 'sgd';
  /** First and last rate (1e-6 and 10), and steps between (100). */
  readonly from?: number;
  readonly to?: number;
  readonly steps?: number;
};

export interface RateTest {
  readonly solver: 'adamw' | 'sgd';
  /** Of each step: the rate, the loss of its batch before it, and the smoothed loss. */
  readonly points: readonly { readonly lr: number; readonly loss: number; readonly smoothed: number }[];
  /** Where the smoothed loss falls steepest over the logarithm of the rate. */
  readonly steepest: number;
  /** A tenth of the rate where the smoothed loss is lowest. */
  readonly tenthOfLowest: number;
  readonly suggestion: number;
}

const smoothing = 0.9;
/** Steps after which the average is one of many batches: the first say little, and fastai too leaves out as many. */
const youngSteps = 10;
/** Steps on either side over which a fall is measured: from one to the next it is mostly what the batches differ by. */
const reach = 5;
/** Ends where the smoothed loss is so many times the lowest. */
const divergence = 4;

/** Targets, start and steps are those of `trainHead`: a rate that suits others would be none for it. */
export async function findRate(train: AnyFeatureSet, options: RateTestOptions): Promise<RateTest> {
  const { from = 1e-6, to = 10, steps = 100, threads, ...given } = options;
  if (!(from > 0 && to > from)) throw invalidArgument('to', `a rate above ${from}`, to);
  const { solver } = given;
  const settings = fillIn(given, countExamples(train));
  const { head: spec, loss, seed } = settings;
  const task = taskOf(settings.task);
  const set = settings.standardize ? standardize(train, await measureStandardization(train)) : train;
  const { rows, classes } = set;
  const head = buildHead(spec, { dim: set.dim, outputCount: classes.length, task: task.kind });
  const targetScaling = task.kind === 'regression' ? fitTargetScaling(train) : undefined;
  const classWeights = settings.classWeights === 'balanced' ? task.balance?.(train) : undefined;
  const learned = learnerMemory(startingParameters(head, task, train, { seed, classWeights, targetScaling }));
  const learner = openLearner(learned, {
    ...settings,
    solver,
    weightDecay: 0,
    penalized: head.penalized,
    ema: 0,
  });
  const batch = Math.min(settings.batch, rows);
  const order = Int32Array.from({ length: rows }, (_, row) => row);
  const rng = createRng(seed);
  const outputs = new Float32Array(batch * classes.length);
  const values = isInMemory(set) ? undefined : new Float32Array(batch * set.dim);
  const step = await openMinibatchStep({
    spec,
    task: task.kind,
    train: scaleTargets(set, targetScaling),
    parameters: learned.weights,
    gradients: learned.gradients,
    loss,
    classWeights,
    targetScale: targetScaling?.std,
    batch,
    seed,
    threads,
  });
  const points: { lr: number; loss: number; smoothed: number }[] = [];
  let average = 0;
  let lowest = Number.POSITIVE_INFINITY;
  let at = rows;
  try {
    for (let i = 0; i < steps; i++) {
      if (at + batch > rows) {
        rng.shuffle(order);
        at = 0;
      }
      const chosen = order.slice(at, at + batch);
      at += batch;
      const lr = from * (to / from) ** (i / (steps - 1));
      if (values) await (set as StreamedSet).features.read(chosen, values);
      await step.run(chosen, outputs, rng, values);
      const inUnits = unscaleOutputs(outputs, targetScaling);
      const measured = task.measure(inUnits, set, loss, chosen).loss;
      average = smoothing * average + (1 - smoothing) * measured;
      const smoothed = average / (1 - smoothing ** (i + 1));
      if (!Number.isFinite(smoothed)) break;
      points.push({ lr, loss: measured, smoothed });
      lowest = Math.min(lowest, smoothed);
      if (smoothed > divergence * lowest) break;
      learner.step(lr, i + 1);
    }
  } finally {
    await step.release();
  }
  return { solver, points, ...suggest(points) };
}

/** @param points - at rates that lie a constant factor apart */
export function suggest(
  points: RateTest['points'],
): Pick<RateTest, 'steepest' | 'tenthOfLowest' | 'suggestion'> {
  const first = points.length > youngSteps ? youngSteps : 0;
  let low = first;
  for (let i = first + 1; i < points.length; i++) if (points[i]!.smoothed < points[low]!.smoothed) low = i;
  let steep = first;
  let slope = 0;
  for (let i = first + 1; i < low; i++) {
    const [from, to] = [Math.max(first, i - reach), Math.min(low, i + reach)];
    const fall = (points[from]!.smoothed - points[to]!.smoothed) / (to - from);
    if (fall > slope) [steep, slope] = [i, fall];
  }
  const steepest = points[steep]!.lr;
  const tenthOfLowest = points[low]!.lr / 10;
  return { steepest, tenthOfLowest, suggestion: Number(Math.min(steepest, tenthOfLowest).toPrecision(2)) };
}
