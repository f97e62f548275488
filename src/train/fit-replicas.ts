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
import { joinLanes, type Lane, openLane } from './lane.js';
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
  const measure = (
    { lane }: (typeof learned)[number],
    found: Float32Array,
    set: AnyFeatureSet,
    of?: Int32Array,
  ) => task.measure(lane.targetScaling ? unscaleOutputs(found, lane.targetScaling) : found, set, loss, of);
  try {
    let done = 0;
    for (let epoch = 1; epoch <= epochs && !learned.every(({ isLost }) => isLost); epoch++) {
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
      for (const [l, { plainSet, heldSet, order }] of opened.entries()) {
        const scored = someReplicas(average ?? weights, l * fits.length, fits.length);
        const own = learned.slice(l * fits.length, (l + 1) * fits.length);
        const onTrain = isNoisy
          ? await scorer.outputs(plainSet, scored)
          : own.map(({ predicted }) => predicted);
        const onHeld = await scorer.outputs(heldSet, scored);
        for (const [i, each] of own.entries()) {
          const score = measure(each, onTrain[i]!, plainSet, isNoisy ? undefined : order);
          const validation = measure(each, onHeld[i]!, heldSet);
          each.history.push({ train: score, validation });
          each.isLost ||= !(Number.isFinite(score.loss) && Number.isFinite(validation.loss));
          if (settings.schedule === 'plateau') each.plateau = afterEpoch(each.plateau, validation.loss);
        }
      }
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
}
