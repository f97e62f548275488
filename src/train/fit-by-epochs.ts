import type { AdamWState } from '../optim/adamw.js';
import { afterEpoch, type PlateauState, plateauStart, scheduleFactor } from '../optim/schedules.js';
import { createRng, type Rng } from '../rng.js';
import { float32, type Tensor } from '../tensor/tensor.js';
import { isInMemory } from './feature-set.js';
import { openLearner, usualRate } from './learner.js';
import { learnerMemory } from './learner-memory.js';
import { openMinibatchStep } from './minibatch-step.js';
import { batchesOf, batchMemory } from './read-batches.js';
import { copyParameters, sumSquares } from './parameter-values.js';
import type { Fit, Fitted } from './fit.js';
import { defaultEpochs } from './train-options.js';
import { countExamples } from './views.js';
import type { SolverState } from './training-state.js';

/**
 * Mini-batches in a seeded order, a new one each epoch. The λ/2 · ‖W‖² of the objective acts as a decay of λ/rows on
 * the mean loss. With a validation part it stops when the loss there has not improved for `patience` epochs, and the best weights are
 * kept.
 *
 * Of examples that appear in several views, each epoch takes one view each, drawn anew.
 *
 * The update is not part of the graph: for the sizes of heads it is as fast outside it or faster.
 */
export async function fitByEpochs(fit: Fit): Promise<Fitted> {
  const { head, task, train, options, classWeights } = fit;
  const { views = 1 } = train;
  const rows = countExamples(train);
  const outputCount = train.classes.length;
  const { patience, epochs = defaultEpochs, mixup } = options;
  const solver = options.solver === 'sgd' ? 'sgd' : 'adamw';
  const l2 = options.l2 * head.penaltyFactor;
  const weightDecay = options.weightDecay ?? l2 / rows;
  const lr = options.lr ?? usualRate[solver];
  const batch = Math.min(options.batch, rows);
  const learned = learnerMemory(fit.parameters);
  const { weights, gradients, states } = learned;
  const learner = openLearner(learned, {
    ...options,
    solver,
    weightDecay,
    penalized: head.penalized,
  });
  const { average, scored } = learner;
  const order = Int32Array.from({ length: rows }, (_, i) => i);
  const rng = createRng(options.seed, fit.from?.fields.rng as number[] | undefined);
  const predicted = new Float32Array(batch * outputCount);
  const stepsPerEpoch = Math.ceil(rows / batch);
  const steps = epochs * stepsPerEpoch;
  const last = Math.min(epochs, options.lastEpoch ?? epochs);
  const schedule = { kind: options.schedule, steps, warmUp: Math.round(options.warmUp * steps) };
  let plateau = plateauStart;
  // What the steps predicted tells the score of an epoch, unless they saw other features, or other weights count.
  const isNoisy =
    views > 1 ||
    mixup > 0 ||
    average !== undefined ||
    (options.head.kind === 'mlp' && options.head.dropout > 0);
  const memory = isInMemory(train) ? undefined : batchMemory(train.features, batch);
  const step = await openMinibatchStep({
    spec: options.head,
    task: task.kind,
    train,
    parameters: weights,
    gradients,
    loss: options.loss,
    classWeights,
    targetScale: fit.targetScaling?.std,
    mixup,
    batch,
    seed: options.seed,
    threads: fit.threads,
  });
  try {
    let best: Fitted | undefined;
    let bestLoss = Number.POSITIVE_INFINITY;
    let epoch = 1;
    if (fit.from)
      ({ epoch, best, bestLoss, plateau } = restore(fit.from, { weights, average, states, order }));
    for (; epoch <= last; epoch++) {
      rng.shuffle(order);
      const drawn = views > 1 ? order.map((example) => example + rows * rng.integer(views)) : order;
      let done = (epoch - 1) * stepsPerEpoch;
      const meter = isNoisy ? undefined : fit.openMeter();
      for await (const { rows: picked, values } of batchesOf(train, drawn, batch, memory)) {
        const outputs = predicted.subarray(0, picked.length * outputCount);
        await step.run(picked, outputs, rng, values);
        meter?.add(outputs, picked);
        const rate = lr * plateau.factor * scheduleFactor(schedule, done++);
        learner.step(rate, done);
      }
      const score = meter ? meter.score() : await fit.scoreTrain(scored);
      const objective = score.loss * rows + 0.5 * weightDecay * rows * sumSquares(scored, head.penalized);
      fit.check(epoch, objective);
      const { validation } = await fit.record(epoch, objective, scored, score);
      const watched = validation?.loss ?? objective / rows;
      if (options.schedule === 'plateau') plateau = afterEpoch(plateau, watched);
      const isChosen = validation !== undefined && options.stopsEarly;
      if (!isChosen || watched < bestLoss) {
        bestLoss = watched;
        best = { parameters: copyParameters(scored), objective, stoppedAt: epoch };
      } else if (epoch - best!.stoppedAt >= patience) break;
      await fit.checkpoint(epoch, () =>
        stateOf({ epoch, best: best!, bestLoss, plateau, weights, average, states, order, rng }),
      );
    }
    return best!;
  } finally {
    await step.release();
  }
}

/** What an epoch begins with, beside the data and the settings. */
interface Moving {
  readonly weights: ReadonlyMap<string, Tensor>;
  readonly average: ReadonlyMap<string, Tensor> | undefined;
  readonly states: ReadonlyMap<string, AdamWState>;
  readonly order: Int32Array;
  readonly rng: Rng;
}

interface Reached {
  readonly epoch: number;
  readonly best: Fitted;
  readonly bestLoss: number;
  readonly plateau: PlateauState;
}

function stateOf({
  epoch,
  best,
  bestLoss,
  plateau,
  weights,
  average,
  states,
  order,
  rng,
}: Moving & Reached): SolverState {
  const { parameters, ...bestFields } = best;
  const steps = Object.fromEntries([...states].map(([name, { t }]) => [name, t]));
  const vector = (data: Float32Array): Tensor => float32([data.length], data);
  return {
    fields: {
      epoch,
      bestLoss,
      best: bestFields,
      steps,
      rng: rng.state(),
      // It begins at an infinite loss, which JSON cannot hold.
      ...(Number.isFinite(plateau.best) && { plateau }),
    },
    tensors: new Map<string, Tensor>([
      ...[...weights].map(([name, tensor]) => [`weights/${name}`, tensor] as const),
      ...[...(average ?? [])].map(([name, tensor]) => [`average/${name}`, tensor] as const),
      ...[...parameters].map(([name, tensor]) => [`best/${name}`, tensor] as const),
      ...[...states].flatMap(([name, { m, v }]) => [
        [`m/${name}`, vector(m)] as const,
        [`v/${name}`, vector(v)] as const,
      ]),
      ['order', { dtype: 'int32', dims: [order.length], data: order }],
    ]),
  };
}

/** Puts everything as it was; the epoch is the next one. */
function restore(
  { fields, tensors }: SolverState,
  { weights, average, states, order }: Omit<Moving, 'rng'>,
): Reached {
  const {
    epoch,
    bestLoss,
    best,
    steps,
    plateau = plateauStart,
  } = fields as {
    epoch: number;
    bestLoss: number;
    plateau?: PlateauState;
    best: Omit<Fitted, 'parameters'>;
    steps: Record<string, number>;
  };
  const dataOf = (name: string) => tensors.get(name)!.data as Float32Array;
  const parameters = new Map<string, Tensor>();
  for (const [name, { dims, data }] of weights) {
    (data as Float32Array).set(dataOf(`weights/${name}`));
    (average?.get(name)?.data as Float32Array | undefined)?.set(dataOf(`average/${name}`));
    parameters.set(name, float32(dims, dataOf(`best/${name}`).slice()));
    const state = states.get(name)!;
    state.m.set(dataOf(`m/${name}`));
    state.v.set(dataOf(`v/${name}`));
    state.t = steps[name]!;
  }
  order.set(tensors.get('order')!.data as Int32Array);
  return { epoch: epoch + 1, best: { ...best, parameters }, bestLoss, plateau };
}
