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

/** Kernels by their memory. */
const kernelsOf = new WeakMap<ArrayBufferLike, Kernels>();
/** Above it arrays are ordinary ones: addresses of WebAssembly end at four times as much. */
const mostBytes = 2 ** 30;

/**
 * Zeros, arrays of these lengths side by side. Where weights, gradient, m and v all lie there, or parts of them, `adamwStep` needs no
 * copies, which is half its time. The memory goes with the last of them.
 */
export function adamwMemory(lengths: readonly number[]): Float32Array[] {
  const starts: number[] = [];
  let bytes = 0;
  for (const length of lengths) {
    starts.push(bytes);
    bytes += Math.ceil(length / 4) * 16;
  }
  if (bytes > mostBytes) return lengths.map((length) => new Float32Array(length));
  const kernels = openKernels();
  kernels.reserve(bytes);
  const buffer = kernels.buffer();
  kernelsOf.set(buffer, kernels);
  return lengths.map((length, i) => new Float32Array(buffer, starts[i], length));
}

/** Values that are worked on at a time: weights, gradient, m and v of a block stay in the first caches. */
const blockSize = 4096;
let block: { readonly kernels: Kernels; readonly parts: readonly Float32Array[] } | undefined;

/**
 * One step; `gradient` is in units of the loss whose learning rate `lr` is. Square root and division bound a loop of
 * JavaScript, which does one at a time, where a kernel does four. Arrays that are not of `adamwMemory` are copied through it block by
 * block.
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
  const arrays = [weights, gradient, state.m, state.v];
  const scalars = [
    ...[beta1, (1 - beta1) * gradientScale, beta2, (1 - beta2) * gradientScale ** 2],
    ...[stepSize, secondScale, epsilon, lr * decay],
  ];
  const own = kernelsOf.get(weights.buffer);
  const isInPlace = own !== undefined && arrays.every(({ buffer }) => buffer === weights.buffer);
  // Behind the last four may lie what belongs to others.
  const done = isInPlace ? weights.length - (weights.length % 4) : 0;
  if (isInPlace) own.adamw(done, ...addresses(arrays), ...scalars);
  if (done === weights.length) return;
  const { kernels, parts } = (block ??= openBlock());
  for (let start = done; start < weights.length; start += blockSize) {
    const size = Math.min(blockSize, weights.length - start);
    for (const [i, array] of arrays.entries()) parts[i]!.set(array.subarray(start, start + size));
    const n = Math.ceil(size / 4) * 4;
    kernels.adamw(n, ...addresses(parts), ...scalars);
    for (const i of [0, 2, 3]) arrays[i]!.set(parts[i]!.subarray(0, size), start);
  }
}

function addresses(arrays: readonly Float32Array[]): [number, number, number, number] {
  return arrays.map(({ byteOffset }) => byteOffset) as [number, number, number, number];
}

function openBlock() {
  const kernels = openKernels();
  kernels.reserve(4 * 4 * blockSize);
  const parts = [0, 1, 2, 3].map((i) => new Float32Array(kernels.buffer(), 4 * i * blockSize, blockSize));
  return { kernels, parts };
}
