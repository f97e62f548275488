/** From examples' bytes to what a model takes, whatever kind they are. */
import { preprocessImage } from '../image/preprocess-image.js';
import { exampleDims, type InputSpec, type PixelSpec } from '../models/input-spec.js';
import { sizeOf } from '../tensor/shape.js';
import { float32 } from '../tensor/tensor.js';
import { openTextEncoder } from './encode-texts.js';
import type { EncodedExamples } from './encoded-examples.js';

export interface ExampleEncoder {
  /**
   * What it gives is good until the next call.
   * @throws GraftError INVALID_IMAGE or INVALID_TEXT for an example that cannot be used
   */
  encode(examples: readonly Uint8Array[]): Promise<EncodedExamples>;
}

/** @throws GraftError INVALID_TOKENIZER */
export function openEncoder(spec: InputSpec): ExampleEncoder {
  if (spec.kind === 'pixels') return openImageEncoder(spec);
  const texts = openTextEncoder(spec);
  return { encode: async (examples) => texts.arrange(examples.map((bytes) => texts.idsOf(bytes))) };
}

function openImageEncoder(spec: PixelSpec): ExampleEncoder {
  let pixels = new Float32Array(0);
  const size = sizeOf(exampleDims(spec).get(spec.name)!);
  return {
    async encode(images) {
      if (pixels.length < images.length * size) pixels = new Float32Array(images.length * size);
      const places = images.map((_, i) => pixels.subarray(i * size, (i + 1) * size));
      await Promise.all(images.map((image, i) => preprocessImage(image, spec.preprocess, places[i]!)));
      return imageRows(spec, pixels, images.length);
    },
  };
}

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
