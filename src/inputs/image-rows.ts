import { exampleDims, type PixelSpec } from '../models/input-spec.js';
import { sizeOf } from '../tensor/shape.js';
import { float32 } from '../tensor/tensor.js';
import type { EncodedExamples } from './encoded-examples.js';

/** @param pixels - [count, …] as the model takes them */
export function imageRows(spec: PixelSpec, pixels: Float32Array, count: number): EncodedExamples {
  const [, ...dims] = exampleDims(spec).get(spec.name)!;
  const size = sizeOf(dims);
  return {
    count,
    order: Array.from({ length: count }, (_, i) => i),
    together: (start, most) => Math.min(most, count - start),
    feeds: (start, end) => ({
      [spec.name]: float32([end - start, ...dims], pixels.subarray(start * size, end * size)),
    }),
  };
}
