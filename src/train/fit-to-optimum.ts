import { lbfgs } from '../optim/lbfgs.js';
import { float32, type Tensor } from '../tensor/tensor.js';
import type { Fit, Fitted } from './train-head.js';

/** Rows a run: bounds the memory of the logits, and the length of float32 sums. */
const chunkRows = 8192;

/**
 * L-BFGS on the whole training part: minimises Σ loss + λ/2 · ‖W‖². Runs of the step graph are float32; their sums,
 * the penalty and the optimiser are float64.
 */
export async function fitToOptimum(fit: Fit): Promise<Fitted> {
  const { step, train, targets, parameters, penalized, options } = fit;
  const { dim, rows, classes } = train;
  const layout = flatten(parameters);
  const unpack = (x: Float64Array): Map<string, Tensor> =>
    new Map(
      layout.parts.map(({ name, dims, from, to }) => [
        name,
        float32(dims, Float32Array.from(x.subarray(from, to))),
      ]),
    );
  const objective = async (x: Float64Array) => {
    const current = unpack(x);
    const gradient = new Float64Array(layout.size);
    let value = 0;
    for (let row = 0; row < rows; row += chunkRows) {
      const end = Math.min(rows, row + chunkRows);
      const result = await step.gradients(
        train.features.subarray(row * dim, end * dim),
        targets.subarray(row * classes.length, end * classes.length),
        current,
      );
      value += result.loss;
      for (const { name, from } of layout.parts) {
        const part = result.gradients.get(name)!;
        for (let i = 0; i < part.length; i++) gradient[from + i]! += part[i]!;
      }
    }
    for (const { name, from, to } of layout.parts) {
      if (!penalized.includes(name)) continue;
      for (let i = from; i < to; i++) {
        value += 0.5 * options.l2 * x[i]! * x[i]!;
        gradient[i]! += options.l2 * x[i]!;
      }
    }
    return { value, gradient };
  };
  const result = await lbfgs(objective, new Float64Array(layout.size), {
    maxIterations: options.epochs ?? 1000,
    // Scoring both parts costs about one evaluation, so it is not done after every iteration.
    onIteration: async (iteration, x, value) => {
      if (iteration <= 10 || iteration % 10 === 0) await fit.record(iteration, value, unpack(x));
      return false;
    },
  });
  const fitted = unpack(result.x);
  if (!(result.iterations <= 10 || result.iterations % 10 === 0)) {
    await fit.record(result.iterations, result.value, fitted);
  }
  return { parameters: fitted, objective: result.value, stoppedAt: result.iterations };
}

function flatten(parameters: ReadonlyMap<string, Tensor>) {
  let size = 0;
  const parts = [...parameters].map(([name, { dims, data }]) => {
    const from = size;
    size += data.length;
    return { name, dims, from, to: size };
  });
  return { size, parts };
}
