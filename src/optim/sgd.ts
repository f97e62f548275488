/**
 * Stochastic gradient descent, in place, as PyTorch defines it:
 *
 *   g = gradient + decay · w     v = μ v + g     w = w - lr · (Nesterov: g + μ v; else: v)
 */
export interface SgdOptions {
  readonly lr: number;
  /** μ; 0 for none. */
  readonly momentum?: number;
  readonly nesterov?: boolean;
  readonly decay?: number;
  /** Factor of the gradient, such as what clipping leaves. */
  readonly gradientScale?: number;
}

export function sgdStep(
  weights: Float32Array,
  gradient: Float32Array,
  velocity: Float32Array,
  { lr, momentum = 0.9, nesterov = true, decay = 0, gradientScale = 1 }: SgdOptions,
): void {
  const [own, carried] = nesterov ? [1, momentum] : [0, 1];
  for (let i = 0; i < weights.length; i++) {
    const g = gradientScale * gradient[i]! + decay * weights[i]!;
    const v = momentum * velocity[i]! + g;
    velocity[i] = v;
    weights[i]! -= lr * (own * g + carried * v);
  }
}
