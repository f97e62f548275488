/**
 * Numbers to be predicted, at mean 0 and deviation 1 while a solver with one learning rate for all is at work. Without a
 * scaling, as for classes, everything is left as it is.
 */
import { biasName } from '../tasks/task.js';
import { float32, type Tensor } from '../tensor/tensor.js';
import type { Targets } from '../tasks/targets.js';
import { fitStandardization } from './standardize.js';
import type { Standardization } from '../heads/head.js';

export function fitTargetScaling({ targets, classes, rows }: Targets): Standardization {
  return fitStandardization({ features: targets!, dim: classes.length, rows });
}

export function scaleTargets<T extends Targets>(set: T, scaling: Standardization | undefined): T {
  if (!scaling) return set;
  const { mean, std } = scaling;
  const columns = mean.length;
  const targets = set.targets!.map((value, i) => (value - mean[i % columns]!) / std[i % columns]!);
  return { ...set, targets };
}

/** Outputs [rows, columns] in the targets' own units. */
export function unscaleOutputs(outputs: Float32Array, scaling: Standardization | undefined): Float32Array {
  if (!scaling) return outputs;
  const { mean, std } = scaling;
  return outputs.map((value, i) => value * std[i % mean.length]! + mean[i % mean.length]!);
}

/** The last layer that gives numbers in their own units: W' = W · std, b' = b · std + mean, by column. */
export function unscaleLastLayer(
  parameters: ReadonlyMap<string, Tensor>,
  scaling: Standardization | undefined,
): ReadonlyMap<string, Tensor> {
  if (!scaling) return parameters;
  const { mean, std } = scaling;
  const columns = mean.length;
  const scaled = (name: string, shift: ArrayLike<number>): [string, Tensor] => {
    const { dims, data } = parameters.get(name)!;
    const values = (data as Float32Array).map((value, i) => value * std[i % columns]! + shift[i % columns]!);
    return [name, float32(dims, values)];
  };
  return new Map([...parameters, scaled('head/weight', new Float64Array(columns)), scaled(biasName, mean)]);
}
