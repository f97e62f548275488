/**
 * The learning-rate range test (Smith 2017, "Cyclical Learning Rates for Training Neural Networks", section 3.3): the
 * rate rises exponentially, a batch each, and the loss is watched. As fastai has it, the loss is smoothed by a running
 * average without bias, the test ends where it is four times the best, and two rates are suggested: where the loss falls
 * steepest, and a tenth of that where it is lowest. The smaller of the two is the one to take.
 */
import { invalidArgument } from '../errors.js';
import { buildHead } from '../heads/build-head.js';
import type { HeadSpec } from '../heads/head.js';
import { adamwStep } from '../optim/adamw.js';
import { sgdStep } from '../optim/sgd.js';
import { createRng } from '../rng.js';
import type { LossSpec, TaskKind } from '../tasks/task.js';
import { taskOf } from '../tasks/task-of.js';
import { type AnyFeatureSet, isInMemory, type StreamedSet } from './feature-set.js';
import { learnerMemory } from './learner-memory.js';
import { openMinibatchStep } from './minibatch-step.js';
import { measureStandardization, standardize } from './standardize.js';
import { usualBatch } from './train-options.js';
import { countExamples } from './views.js';

export interface RateTestOptions {
  readonly head: HeadSpec;
  readonly task: TaskKind;
  readonly loss?: LossSpec | undefined;
  readonly solver: 'adamw' | 'sgd';
  readonly batch?: number | undefined;
  readonly standardize?: boolean | undefined;
  readonly seed?: number | undefined;
  readonly threads?: number | undefined;
  /** First and last rate (1e-6 and 10), and steps between (100). */
  readonly from?: number;
  readonly to?: number;
  readonly steps?: number;
}

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
/** Ends where the smoothed loss is so many times the lowest. */
const divergence = 4;

export async function findRate(train: AnyFeatureSet, options: RateTestOptions): Promise<RateTest> {
  const { head: spec, loss, solver, seed = 1, from = 1e-6, to = 10, steps = 100, threads } = options;
  if (!(from > 0 && to > from)) throw invalidArgument('to', `a rate above ${from}`, to);
  const task = taskOf(options.task);
  const set = options.standardize === false ? train : standardize(train, await measureStandardization(train));
  const { rows, classes } = set;
  const head = buildHead(spec, { dim: set.dim, outputCount: classes.length, task: task.kind });
  const { weights, gradients, states } = learnerMemory(head.initial(createRng(seed)));
  const batch = Math.min(options.batch ?? usualBatch(countExamples(set)), rows);
  const order = Int32Array.from({ length: rows }, (_, row) => row);
  const rng = createRng(seed);
  const outputs = new Float32Array(batch * classes.length);
  const values = isInMemory(set) ? undefined : new Float32Array(batch * set.dim);
  const step = await openMinibatchStep({
    spec,
    task: task.kind,
    train: set,
    parameters: weights,
    gradients,
    loss,
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
      const measured = task.measure(outputs, set, loss, chosen).loss;
      average = smoothing * average + (1 - smoothing) * measured;
      const smoothed = average / (1 - smoothing ** (i + 1));
      if (!Number.isFinite(smoothed)) break;
      points.push({ lr, loss: measured, smoothed });
      lowest = Math.min(lowest, smoothed);
      if (smoothed > divergence * lowest) break;
      for (const [name, gradient] of gradients) {
        const data = weights.get(name)!.data as Float32Array;
        if (solver === 'adamw') adamwStep(data, gradient, states.get(name)!, { lr });
        else sgdStep(data, gradient, states.get(name)!.m, { lr });
      }
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
  let low = 0;
  for (let i = 1; i < points.length; i++) if (points[i]!.smoothed < points[low]!.smoothed) low = i;
  let steep = 0;
  let slope = 0;
  for (let i = 1; i < low; i++) {
    const fall = (points[i - 1]!.smoothed - points[i + 1]!.smoothed) / 2;
    if (fall > slope) [steep, slope] = [i, fall];
  }
  const steepest = points[steep]!.lr;
  const tenthOfLowest = points[low]!.lr / 10;
  return { steepest, tenthOfLowest, suggestion: Number(Math.min(steepest, tenthOfLowest).toPrecision(2)) };
}
