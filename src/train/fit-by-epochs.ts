import { adamwState, adamwStep } from '../optim/adamw.js';
import { sgdStep } from '../optim/sgd.js';
import { createRng } from '../rng.js';
import { float32, type Tensor } from '../tensor/tensor.js';
import type { Fit, Fitted } from './train-head.js';

/**
 * Mini-batches in a seeded order, a new one each epoch. The λ/2 · ‖W‖² of the objective acts as a decay of λ/rows on
 * the mean loss. Stops when the validation loss has not improved for `patience` epochs; the best weights are kept.
 */
export async function fitByEpochs(fit: Fit): Promise<Fitted> {
  const { step, train, targets, penalized, options } = fit;
  const { dim, rows } = train;
  const classCount = train.classes.length;
  const { solver, l2, patience, epochs = 100 } = options;
  const lr = options.lr ?? (solver === 'adamw' ? 1e-3 : 1e-2);
  const batch = Math.min(options.batch, rows);
  const weights = new Map(
    [...fit.parameters].map(([name, { dims, data }]) => [
      name,
      float32(dims, (data as Float32Array).slice()),
    ]),
  );
  const states = new Map([...weights].map(([name, { data }]) => [name, adamwState(data.length)]));
  const order = Uint32Array.from({ length: rows }, (_, i) => i);
  const rng = createRng(options.seed);
  const x = new Float32Array(batch * dim);
  const y = new Float32Array(batch * classCount);
  let best: Fitted | undefined;
  let bestLoss = Number.POSITIVE_INFINITY;
  for (let epoch = 1; epoch <= epochs; epoch++) {
    rng.shuffle(order);
    for (let start = 0; start < rows; start += batch) {
      const count = Math.min(batch, rows - start);
      for (let i = 0; i < count; i++) {
        const row = order[start + i]!;
        x.set(train.features.subarray(row * dim, (row + 1) * dim), i * dim);
        y.set(targets.subarray(row * classCount, (row + 1) * classCount), i * classCount);
      }
      const result = await step.gradients(
        x.subarray(0, count * dim),
        y.subarray(0, count * classCount),
        weights,
      );
      for (const [name, gradient] of result.gradients) {
        for (let i = 0; i < gradient.length; i++) gradient[i]! /= count;
        const decay = penalized.includes(name) ? l2 / rows : 0;
        const { data } = weights.get(name)!;
        if (solver === 'adamw') adamwStep(data as Float32Array, gradient, states.get(name)!, { lr, decay });
        else sgdStep(data as Float32Array, gradient, states.get(name)!.m, { lr, decay });
      }
    }
    const objective = await objectiveAt(fit, weights);
    const { validation } = await fit.record(epoch, objective, weights);
    const watched = validation?.loss ?? objective / rows;
    if (watched < bestLoss) {
      bestLoss = watched;
      best = { parameters: copy(weights), objective, stoppedAt: epoch };
    } else if (validation && epoch - best!.stoppedAt >= patience) break;
  }
  return best!;
}

async function objectiveAt(
  { step, train, targets, penalized, options }: Fit,
  weights: ReadonlyMap<string, Tensor>,
) {
  let value = (await step.gradients(train.features, targets, weights)).loss;
  for (const name of penalized) {
    for (const w of weights.get(name)!.data as Float32Array) value += 0.5 * options.l2 * w * w;
  }
  return value;
}

function copy(weights: ReadonlyMap<string, Tensor>): Map<string, Tensor> {
  return new Map(
    [...weights].map(([name, { dims, data }]) => [name, float32(dims, (data as Float32Array).slice())]),
  );
}
