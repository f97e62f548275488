/** Sums of gradients over the blocks of a set; of what comes in float32 the sums are float64. */
import { largestMagnitude } from '../optim/vector.js';
import type { Tensor } from '../tensor/tensor.js';
import type { ExactGraph } from './exact-graph.js';

export type Numbers = Float32Array | Float64Array;

export interface GradientSums {
  readonly byParameter: ReadonlyMap<string, Numbers>;
  /** By the weights themselves, where these are mixed of the parameter and it is asked for. */
  readonly byWeights: Numbers | undefined;
}

export const noGradients: GradientSums = { byParameter: new Map(), byWeights: undefined };

/** @param found - outputs of a run by name */
export function addGradients(
  { byParameter, byWeights }: GradientSums,
  outputs: ExactGraph['outputs'],
  found: Readonly<Record<string, Tensor>>,
): GradientSums {
  const part = (name: string): Numbers => found[name]!.data as Numbers;
  return {
    byParameter: new Map(
      [...outputs.gradients].map(([name, output]) => [name, added(byParameter.get(name), part(output))]),
    ),
    byWeights: outputs.byWeights === undefined ? undefined : added(byWeights, part(outputs.byWeights)),
  };
}

/** The first part itself, then fresh arrays. */
export function added(sum: Numbers | undefined, part: Numbers): Numbers {
  if (!sum) return part;
  const whole = new Float64Array(sum);
  for (let i = 0; i < whole.length; i++) whole[i]! += part[i]!;
  return whole;
}

/** The largest component, by the weights themselves. */
export function sizeOfGradient(
  { byParameter, byWeights }: GradientSums,
  { weights: mixed }: ExactGraph['outputs'],
): number {
  let most = byWeights ? largestMagnitude(byWeights) : 0;
  for (const [name, gradient] of byParameter) {
    if (!mixed.has(name)) most = Math.max(most, largestMagnitude(gradient));
  }
  return most;
}
