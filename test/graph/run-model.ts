import { decodeModel } from '../../src/onnx/read-model.js';
import type { Model } from '../../src/onnx/ir.js';
import { encodeModel } from '../../src/onnx/write-model.js';
import { openSession } from '../../src/runtime/open-session.js';
import type { TensorMap } from '../../src/runtime/session.js';
import { createRng } from '../../src/rng.js';
import { float32, type Tensor } from '../../src/tensor/tensor.js';
import { sizeOf } from '../../src/tensor/shape.js';

/** One run on ONNX Runtime, after a trip through the file format and its checks. */
export async function runModel(model: Model, feeds: TensorMap): Promise<Record<string, Tensor>> {
  const bytes = encodeModel(model);
  decodeModel(bytes, { path: 'test.onnx' });
  const session = await openSession(bytes, { threads: 1 });
  try {
    return await session.run(feeds);
  } finally {
    await session.release();
  }
}

/** Standard normal values. */
export function randomTensor(dims: readonly number[], seed = 1): Tensor {
  const rng = createRng(seed);
  return float32(
    dims,
    Float32Array.from({ length: sizeOf(dims) }, () => rng.normal()),
  );
}

export const valuesOf = ({ data }: Tensor): number[] => Array.from(data as Float32Array, Number);

/** Largest |a − b|; NaN where the sizes differ. */
export function largestDifference(a: Tensor, b: Tensor): number {
  if (String(a.dims) !== String(b.dims)) return Number.NaN;
  let largest = 0;
  for (let i = 0; i < a.data.length; i++) {
    const difference = Math.abs(Number(a.data[i]) - Number(b.data[i]));
    // Written so that NaN is kept.
    if (!(difference <= largest)) largest = difference;
  }
  return largest;
}
