/**
 * `fitByEpochs` for several candidates at once: heads of one kind that differ in solver, learning rate, penalty or weight
 * decay. They are replicas of one step graph; each learns what it would learn alone, as nearly as the order of float32 sums
 * allows. Without early stopping.
 *
 * Those of one lane have the training part and the seed in common, and so the batches: their linear layers are one wide
 * product. Lanes are folds or seeds, each with rows of its own: a further axis in front of all products.
 */
import { GraftError } from '../errors.js';
import { buildHead } from '../heads/build-head.js';
import { afterEpoch, plateauStart, scheduleFactor } from '../optim/schedules.js';
import type { Score } from '../tasks/task.js';
import { taskOf } from '../tasks/task-of.js';
import type { AnyFeatureSet } from './feature-set.js';
import { joinLanes, type Lane, type OpenLane, openLane } from './lane.js';
import { openLearner, usualRate } from './learner.js';
import { learnerMemory, replicaMemory } from './learner-memory.js';
import { openMinibatchStep } from './minibatch-step.js';
import { joinReplicas, openReplicaScorer, replicaOf, someReplicas } from './replica-head.js';
import { unscaleOutputs } from './scale-targets.js';
import { fillIn, type TrainOptions } from './train-options.js';
import { countExamples } from './views.js';

export interface ReplicaFit {
  readonly solver: 'adamw' | 'sgd';
  readonly l2: number;
  readonly lr?: number | undefined;
  readonly weightDecay?: number | undefined;
}

export interface EpochScores {
  readonly train: Score;
  readonly validation: Score;
}

/**
 * @param lanes - several only where `canShareStep` says so
 * @param fits - what is trained in every lane
 * @param options - what they have in common; of `trainHead`'s
 * @returns by lane, for each fit, the scores after every epoch; undefined where the loss became infinite
 */
export async function fitReplicas(
  lanes: readonly Lane[],
  fits: readonly ReplicaFit[],
  options: Omit<TrainOptions, 'solver' | 'l2' | 'lr' | 'weightDecay' | 'seed'> & {
    readonly epochs: number;
    /** After each epoch of all replicas. */
    readonly onPass?: (epoch: number) => void;
  },
): Promise<(readonly EpochScores[] | undefined)[][]> {
  const { epochs, threads, signal, onPass } = options;
  const settings = fillIn(options, countExamples(lanes[0]!.train));
  const { head: spec, mixup, ema, loss } = settings;
  const task = taskOf(settings.task);
  const { train } = lanes[0]!;
  const outputCount = train.classes.length;
  const shape = { dim: train.dim, outputCount, task: task.kind };
  const head = buildHead(spec, shape);
  const opened = await Promise.all(lanes.map((lane) => openLane(lane, head, fits.length, settings)));
  const first = opened[0]!;
  const joined = joinLanes(opened);
  const { batch, stepsPerEpoch } = joined;
  const steps = epochs * stepsPerEpoch;
  const schedule = { kind: settings.schedule, steps, warmUp: Math.round(settings.warmUp * steps) };
  const memory = learnerMemory(joinReplicas(opened.map(({ start }) => start)));
  const { weights } = memory;
  const average = ema > 0 ? joinReplicas(opened.map(({ start }) => start)) : undefined;
  const isNoisy = (train.views ?? 1) > 1 || mixup > 0 || ema > 0 || (spec.kind === 'mlp' && spec.dropout > 0);
  const replicas = lanes.length * fits.length;
  const step = await openMinibatchStep({
    spec,
    task: task.kind,
    train: joined.set,
    parameters: weights,
    gradients: memory.gradients,
    replicas,
    lanes: lanes.length,
    loss,
    classWeights: first.classWeights,
    targetScale: first.targetScaling?.std,
    mixup,
    batch,
    seed: first.seed,
    threads,
  });
  const scorer = await openReplicaScorer(spec, shape, fits.length, threads);
  const learned = Array.from({ length: replicas }, (_, i) => {
    const lane = opened[Math.floor(i / fits.length)]!;
    const fit = fits[i % fits.length]!;
    return {
      lane,
      lr: fit.lr ?? usualRate[fit.solver],
      learner: openLearner(
        replicaMemory(memory, i, replicas),
        {
          ...settings,
          solver: fit.solver,
          penalized: head.penalized,
          weightDecay: fit.weightDecay ?? (fit.l2 * head.penaltyFactor) / lane.rows,
        },
        average && replicaOf(average, i),
      ),
      predicted: new Float32Array(lane.rows * outputCount),
      plateau: plateauStart,
      history: [] as EpochScores[],
      isLost: false,
    };
  });
  const outputs = new Float32Array(replicas * batch * outputCount);
  let done = 0;
  try {
    for (let epoch = 1; epoch <= epochs && !learned.every(({ isLost }) => isLost); epoch++) {
      await learn();
      for (const [lane, opening] of opened.entries()) await score(opening, lane * fits.length);
      onPass?.(epoch);
      if (signal?.aborted) {
        throw new GraftError('INTERRUPTED', 'The search was stopped; no head was written.');
      }
    }
    return opened.map((lane) =>
      learned
        .filter((each) => each.lane === lane)
        .map(({ history, isLost }) => (isLost ? undefined : history)),
    );
  } finally {
    await scorer.release();
    await step.release();
  }

  /** One epoch of all replicas. */
  async function learn(): Promise<void> {
    let at = 0;
    for await (const { rows, values, shares, counts } of joined.batches()) {
      const length = (rows.length / lanes.length) * outputCount;
      const into = outputs.subarray(0, replicas * length);
      await step.run(rows, into, first.rng, values, shares);
      if (!isNoisy) {
        for (const [i, { predicted }] of learned.entries()) {
          const own = counts[Math.floor(i / fits.length)]! * outputCount;
          predicted.set(into.subarray(i * length, i * length + own), at * outputCount);
        }
      }
      at += batch;
      const factor = scheduleFactor(schedule, done++);
      for (const { learner, lr, plateau } of learned) {
        learner.step(lr * plateau.factor * factor, done);
      }
    }
  }

  /** @param from - the first replica of the lane */
  async function score({ plainSet, heldSet, order, targetScaling }: OpenLane, from: number): Promise<void> {
    const measure = (found: Float32Array, set: AnyFeatureSet, of?: Int32Array): Score =>
      task.measure(unscaleOutputs(found, targetScaling), set, loss, of);
    const scored = someReplicas(average ?? weights, from, fits.length);
    const onHeld = await scorer.outputs(heldSet, scored);
    // Noise aside, what they predicted on the way tells how they do.
    const afresh = isNoisy ? await scorer.outputs(plainSet, scored) : undefined;
    for (const [i, each] of learned.slice(from, from + fits.length).entries()) {
      const train = afresh ? measure(afresh[i]!, plainSet) : measure(each.predicted, plainSet, order);
      const validation = measure(onHeld[i]!, heldSet);
      each.history.push({ train, validation });
      each.isLost ||= !(Number.isFinite(train.loss) && Number.isFinite(validation.loss));
      if (settings.schedule === 'plateau') each.plateau = afterEpoch(each.plateau, validation.loss);
    }
  }
}
