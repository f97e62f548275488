/**
 * `fitByEpochs` for several candidates at once: heads of one kind with one seed, and so with the same batches, that
 * differ in solver, learning rate, penalty or weight decay. They are replicas of one step graph and share its features;
 * each learns what it would learn alone, as nearly as the order of float32 sums allows. Without early stopping.
 */
import { GraftError } from '../errors.js';
import { buildHead } from '../heads/build-head.js';
import { afterEpoch, plateauStart, scheduleFactor } from '../optim/schedules.js';
import { createRng } from '../rng.js';
import type { Score } from '../tasks/task.js';
import { taskOf } from '../tasks/task-of.js';
import { type AnyFeatureSet, isInMemory } from './feature-set.js';
import { openLearner, usualRate } from './learner.js';
import { openMinibatchStep } from './minibatch-step.js';
import { batchesOf, batchMemory } from './read-batches.js';
import { copyApart, openReplicaScorer, repeatParameters, replicaOf } from './replica-head.js';
import { fitTargetScaling, scaleTargets, unscaleOutputs } from './scale-targets.js';
import { measureStandardization, standardize } from './standardize.js';
import { fillIn, type TrainOptions } from './train-options.js';
import { startingParameters } from './starting-parameters.js';
import { withoutViews } from './views.js';

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
 * @param options - what they have in common; of `trainHead`'s
 * @returns for each the scores after every epoch; undefined where the loss became infinite
 */
export async function fitReplicas(
  train: AnyFeatureSet,
  held: AnyFeatureSet,
  fits: readonly ReplicaFit[],
  options: Omit<TrainOptions, 'solver' | 'l2' | 'lr' | 'weightDecay'> & { readonly epochs: number },
): Promise<(readonly EpochScores[] | undefined)[]> {
  const { epochs, threads, signal } = options;
  const settings = fillIn(options);
  const { head: spec, seed, mixup, ema, loss } = settings;
  const task = taskOf(settings.task);
  const { dim, classes, views = 1 } = train;
  const outputCount = classes.length;
  const shape = { dim, outputCount, task: task.kind };
  const head = buildHead(spec, shape);
  const scaling = settings.standardize ? await measureStandardization(train) : undefined;
  const [scaledTrain, heldSet] = scaling
    ? [standardize(train, scaling), standardize(held, scaling)]
    : [train, held];
  const targetScaling = task.kind === 'regression' ? fitTargetScaling(train) : undefined;
  const trainSet = targetScaling ? scaleTargets(scaledTrain, targetScaling) : scaledTrain;
  const plainSet = withoutViews(scaledTrain);
  const classWeights = settings.classWeights === 'balanced' ? task.balance?.(train) : undefined;
  const start = startingParameters(head, task, train, { seed, classWeights, targetScaling });

  const { rows } = plainSet;
  const batch = Math.min(settings.batch, rows);
  const stepsPerEpoch = Math.ceil(rows / batch);
  const steps = epochs * stepsPerEpoch;
  const schedule = { kind: settings.schedule, steps, warmUp: Math.round(settings.warmUp * steps) };
  const weights = repeatParameters(start, fits.length);
  const average = ema > 0 ? repeatParameters(start, fits.length) : undefined;
  const isNoisy = views > 1 || mixup > 0 || ema > 0 || (spec.kind === 'mlp' && spec.dropout > 0);
  const step = await openMinibatchStep({
    spec,
    task: task.kind,
    train: trainSet,
    parameters: weights,
    replicas: fits.length,
    loss,
    classWeights,
    targetScale: targetScaling?.std,
    mixup,
    batch,
    seed,
    threads,
  });
  const scorer = await openReplicaScorer(spec, shape, fits.length, threads);
  const learned = fits.map((fit, i) => ({
    lr: fit.lr ?? usualRate[fit.solver],
    gradients: new Map(
      [...step.gradients].map(([name, all]) => {
        const size = all.length / fits.length;
        return [name, all.subarray(i * size, (i + 1) * size)] as const;
      }),
    ),
    learner: openLearner(
      replicaOf(weights, i),
      {
        ...settings,
        solver: fit.solver,
        penalized: head.penalized,
        weightDecay: fit.weightDecay ?? (fit.l2 * head.penaltyFactor) / rows,
      },
      average && replicaOf(average, i),
    ),
    predicted: new Float32Array(rows * outputCount),
    plateau: plateauStart,
    history: [] as EpochScores[],
    isLost: false,
  }));
  const rng = createRng(seed);
  const order = Int32Array.from({ length: rows }, (_, i) => i);
  const outputs = new Float32Array(fits.length * batch * outputCount);
  const predictions = learned.map(({ predicted }) => predicted);
  const memory = isInMemory(trainSet) ? undefined : batchMemory(trainSet.features, batch);
  const measure = (found: Float32Array, set: AnyFeatureSet, of?: Int32Array): Score =>
    task.measure(targetScaling ? unscaleOutputs(found, targetScaling) : found, set, loss, of);
  try {
    let done = 0;
    for (let epoch = 1; epoch <= epochs && !learned.every(({ isLost }) => isLost); epoch++) {
      rng.shuffle(order);
      const drawn = views > 1 ? order.map((example) => example + rows * rng.integer(views)) : order;
      let at = 0;
      for await (const { rows: picked, values } of batchesOf(trainSet, drawn, batch, memory)) {
        const into = outputs.subarray(0, fits.length * picked.length * outputCount);
        await step.run(picked, into, rng, values);
        if (!isNoisy) copyApart(into, predictions, at * outputCount);
        at += picked.length;
        const factor = scheduleFactor(schedule, done++);
        for (const { learner, gradients, lr, plateau } of learned) {
          learner.step(gradients, lr * plateau.factor * factor, done);
        }
      }
      const scored = average ?? weights;
      const onTrain = isNoisy ? await scorer.outputs(plainSet, scored) : predictions;
      const onHeld = await scorer.outputs(heldSet, scored);
      for (const [i, each] of learned.entries()) {
        const score = measure(onTrain[i]!, plainSet, isNoisy ? undefined : order);
        const validation = measure(onHeld[i]!, heldSet);
        each.history.push({ train: score, validation });
        each.isLost ||= !Number.isFinite(score.loss);
        if (settings.schedule === 'plateau') each.plateau = afterEpoch(each.plateau, validation.loss);
      }
      if (signal?.aborted) {
        throw new GraftError('INTERRUPTED', 'The search was stopped; no head was written.');
      }
    }
    return learned.map(({ history, isLost }) => (isLost ? undefined : history));
  } finally {
    await scorer.release();
    await step.release();
  }
}
