import { exampleDims, type PixelSpec } from '../models/input-spec.js';
import { float32 } from '../tensor/tensor.js';
import type { EncodedExamples } from './encoded-examples.js';

/** @param pixels - what the model takes of the examples in places `start` up to, without, `end`: [end - start, …] */
export function imageRows(
  spec: PixelSpec,
  count: number,
  pixels: (start: number, end: number) => Float32Array,
): EncodedExamples {
  const [, ...dims] = exampleDims(spec).get(spec.name)!;
  return {
    count,
    order: Array.from({ length: count }, (_, i) => i),
    together: (start, most) => Math.min(spec.isSingle ? 1 : most, count - start),
    feeds: (start, end) => ({ [spec.name]: float32([end - start, ...dims], pixels(start, end)) }),
  };
}
