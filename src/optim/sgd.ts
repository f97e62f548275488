/** Stochastic gradient descent with Nesterov momentum: v = μ v + g, w = w - lr (g + μ v + decay · w). In place. */
export function sgdStep(
  weights: Float32Array,
  gradient: Float32Array,
  velocity: Float32Array,
  { lr, momentum = 0.9, decay = 0 }: { lr: number; momentum?: number; decay?: number },
): void {
  for (let i = 0; i < weights.length; i++) {
    const g = gradient[i]! + decay * weights[i]!;
    const v = momentum * velocity[i]! + g;
    velocity[i] = v;
    weights[i]! -= lr * (g + momentum * v);
  }
}
