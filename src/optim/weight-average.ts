/** average = decay · average + (1 - decay) · weights, in place. */
export function followWeights(average: Float32Array, weights: Float32Array, decay: number): void {
  for (let i = 0; i < average.length; i++) average[i] = decay * average[i]! + (1 - decay) * weights[i]!;
}

/** Decay at the t-th step, from 1: the first averages must not hang on to where training began. */
export function averageDecay(decay: number, t: number): number {
  return Math.min(decay, t / (t + 10));
}
