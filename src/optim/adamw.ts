/**
 * AdamW (Loshchilov & Hutter 2019), in place on float32 parameters:
 *
 *   m = β1 m + (1 - β1) g      v = β2 v + (1 - β2) g²
 *   w = w - lr · ( (m / (1 - β1^t)) / (√(v / (1 - β2^t)) + ε) + decay · w )
 */
export interface AdamWState {
  readonly m: Float32Array;
  readonly v: Float32Array;
  t: number;
}

export interface AdamWOptions {
  readonly lr: number;
  readonly beta1?: number;
  readonly beta2?: number;
  readonly epsilon?: number;
  /** Decoupled weight decay. */
  readonly decay?: number;
  /** What the gradient is multiplied with as it is read: clipping without a pass of its own. */
  readonly scale?: number;
}

export function adamwState(size: number): AdamWState {
  return { m: new Float32Array(size), v: new Float32Array(size), t: 0 };
}

/** One step; `gradient` is in units of the loss whose learning rate `lr` is. */
export function adamwStep(
  weights: Float32Array,
  gradient: Float32Array,
  state: AdamWState,
  options: AdamWOptions,
): void {
  const { lr, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, decay = 0, scale = 1 } = options;
  const { m, v } = state;
  const t = ++state.t;
  const stepSize = lr / (1 - beta1 ** t);
  const secondScale = 1 / Math.sqrt(1 - beta2 ** t);
  const shrink = 1 - lr * decay;
  for (let i = 0; i < weights.length; i++) {
    const g = scale * gradient[i]!;
    const mi = beta1 * m[i]! + (1 - beta1) * g;
    const vi = beta2 * v[i]! + (1 - beta2) * g * g;
    m[i] = mi;
    v[i] = vi;
    weights[i] = shrink * weights[i]! - (stepSize * mi) / (Math.sqrt(vi) * secondScale + epsilon);
  }
}
