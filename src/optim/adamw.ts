import { type Kernels, openKernels } from '../simd/kernels.js';

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
  /** Factor of the gradient, such as 1 / examples or what clipping leaves. */
  readonly gradientScale?: number;
}

export function adamwState(size: number): AdamWState {
  return { m: new Float32Array(size), v: new Float32Array(size), t: 0 };
}

/** Values that are worked on at a time: weights, gradient, m and v of a block stay in the first caches. */
const blockSize = 4096;
let block: { readonly kernels: Kernels; readonly parts: readonly Float32Array[] } | undefined;

/**
 * One step; `gradient` is in units of the loss whose learning rate `lr` is. Square root and division bound a loop of
 * JavaScript, which does one at a time, so blocks are copied through a kernel that does four: three times as fast.
 */
export function adamwStep(
  weights: Float32Array,
  gradient: Float32Array,
  state: AdamWState,
  options: AdamWOptions,
): void {
  const { lr, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, decay = 0, gradientScale = 1 } = options;
  const t = ++state.t;
  const stepSize = lr / (1 - beta1 ** t);
  const secondScale = 1 / Math.sqrt(1 - beta2 ** t);
  const { kernels, parts } = (block ??= openBlock());
  const arrays = [weights, gradient, state.m, state.v];
  const at = parts.map(({ byteOffset }) => byteOffset) as [number, number, number, number];
  for (let start = 0; start < weights.length; start += blockSize) {
    const size = Math.min(blockSize, weights.length - start);
    for (const [i, array] of arrays.entries()) parts[i]!.set(array.subarray(start, start + size));
    const n = Math.ceil(size / 4) * 4;
    kernels.adamw(
      n,
      ...at,
      ...[beta1, (1 - beta1) * gradientScale, beta2, (1 - beta2) * gradientScale ** 2],
      ...[stepSize, secondScale, epsilon, lr * decay],
    );
    for (const i of [0, 2, 3]) arrays[i]!.set(parts[i]!.subarray(0, size), start);
  }
}

function openBlock() {
  const kernels = openKernels();
  kernels.reserve(4 * 4 * blockSize);
  const parts = [0, 1, 2, 3].map((i) => new Float32Array(kernels.buffer(), 4 * i * blockSize, blockSize));
  return { kernels, parts };
}
