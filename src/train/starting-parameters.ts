import type { Head, Standardization } from '../heads/head.js';
import { createRng } from '../rng.js';
import type { Task } from '../tasks/task.js';
import { float32, type Tensor } from '../tensor/tensor.js';
import type { AnyFeatureSet } from './feature-set.js';

/** The head's own start, with its last biases where the task's prior has them. */
export function startingParameters(
  head: Head,
  task: Task,
  train: AnyFeatureSet,
  options: {
    readonly seed: number;
    readonly classWeights: Float32Array | undefined;
    readonly targetScaling: Standardization | undefined;
  },
): Map<string, Tensor> {
  const parameters = new Map(head.initial(createRng(options.seed)));
  if (options.targetScaling) return parameters;
  const totals = task.sumTargets(train, options.classWeights);
  for (const [name, values] of task.prior(totals, train.classes.length).start) {
    const dims = head.parameters.get(name);
    if (dims) parameters.set(name, float32(dims, values));
  }
  return parameters;
}
