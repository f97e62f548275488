/**
 * Weights of Pillow's separable resampling (Resample.c), which torchvision follows with antialias:
 *
 *   scale   = inSize / outSize,  stretch = max(scale, 1),  center(x) = (x + 0.5) · scale
 *   w(x, i) = kernel((i + 0.5 - center(x)) / stretch) / Σ_i      for |i + 0.5 - center(x)| < support · stretch
 *
 * When shrinking, the kernel is stretched over all the source pixels that an output pixel covers (antialias).
 */
import type { ResizeKernel } from '../models/preprocess-spec.js';

/** Fractional bits of a weight; 8-bit pixels times weights that sum to 1 stay inside 32 bits. */
const weightBits = 22;

/** Output position `x` is the sum over k < count[x] of source[first[x] + k] · values[x · stride + k] / 2^22. */
export interface ResizeWeights {
  readonly first: Int32Array;
  readonly count: Int32Array;
  readonly values: Int32Array;
  readonly stride: number;
}

interface Kernel {
  readonly support: number;
  readonly at: (x: number) => number;
}

const sinc = (x: number): number => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));

const kernels: Readonly<Record<Exclude<ResizeKernel, 'nearest'>, Kernel>> = {
  bilinear: { support: 1, at: (x) => Math.max(0, 1 - Math.abs(x)) },
  // Keys' cubic with a = -0.5.
  bicubic: {
    support: 2,
    at(x) {
      const d = Math.abs(x);
      if (d < 1) return (1.5 * d - 2.5) * d * d + 1;
      return d < 2 ? ((-0.5 * d + 2.5) * d - 4) * d + 2 : 0;
    },
  },
  lanczos3: { support: 3, at: (x) => (Math.abs(x) < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

/** Weights for output positions `start` to `start + length` of a line resized from `inSize` to `outSize`. */
function computeWeights(
  inSize: number,
  outSize: number,
  start: number,
  length: number,
  kernel: ResizeKernel,
): ResizeWeights {
  const scale = inSize / outSize;
  const first = new Int32Array(length);
  const count = new Int32Array(length).fill(1);
  if (kernel === 'nearest') {
    // Pillow adds the scale up from the left; where a centre falls on the border of two pixels, rounding decides.
    for (let x = 0, center = scale / 2; x < start + length; x++, center += scale) {
      if (x >= start) first[x - start] = Math.min(inSize - 1, Math.floor(center));
    }
    return { first, count, values: new Int32Array(length).fill(1 << weightBits), stride: 1 };
  }
  const stretch = Math.max(scale, 1);
  const { support, at } = kernels[kernel];
  const reach = support * stretch;
  const stride = Math.min(inSize, Math.ceil(reach) * 2 + 1);
  const values = new Int32Array(length * stride);
  const line = new Float64Array(stride);
  for (let x = 0; x < length; x++) {
    const center = (start + x + 0.5) * scale;
    let from = Math.max(0, Math.trunc(center - reach + 0.5));
    let taps = Math.min(inSize, Math.trunc(center + reach + 0.5)) - from;
    let sum = 0;
    for (let k = 0; k < taps; k++) {
      line[k] = at((from + k - center + 0.5) / stretch);
      sum += line[k]!;
    }
    let skip = 0;
    while (taps > 1 && line[skip + taps - 1] === 0) taps--;
    while (taps > 1 && line[skip] === 0) {
      skip++;
      taps--;
    }
    from += skip;
    for (let k = 0; k < taps; k++) {
      const weight = (line[skip + k]! / sum) * (1 << weightBits);
      values[x * stride + k] = Math.trunc(weight + (weight < 0 ? -0.5 : 0.5));
    }
    first[x] = from;
    count[x] = taps;
  }
  return { first, count, values, stride };
}

const cache = new Map<string, ResizeWeights>();
const cacheSize = 64;

/** `computeWeights`, remembered for the sizes met most recently. */
export function resizeWeights(...key: Parameters<typeof computeWeights>): ResizeWeights {
  const name = key.join(' ');
  let weights = cache.get(name);
  if (weights) cache.delete(name);
  else {
    weights = computeWeights(...key);
    if (cache.size >= cacheSize) cache.delete(cache.keys().next().value!);
  }
  cache.set(name, weights);
  return weights;
}
