/** From examples' bytes to what a model takes, whatever kind they are. */
import { preprocessImage } from '../image/preprocess-image.js';
import { exampleDims, type InputSpec, type PixelSpec } from '../models/input-spec.js';
import { sizeOf } from '../tensor/shape.js';
import { openTextEncoder } from './encode-texts.js';
import type { EncodedExamples } from './encoded-examples.js';
import { imageRows } from './image-rows.js';

export interface ExampleEncoder {
  /**
   * @throws GraftError INVALID_IMAGE or INVALID_TEXT for an example that cannot be used
   */
  encode(examples: readonly Uint8Array[]): Promise<EncodedExamples>;
}

/** @throws GraftError INVALID_TOKENIZER */
export function openEncoder(spec: InputSpec): ExampleEncoder {
  if (spec.kind === 'pixels') return openImageEncoder(spec);
  const texts = openTextEncoder(spec);
  return { encode: async (examples) => texts.arrange(examples.map((bytes) => texts.tokensOf(bytes))) };
}

function openImageEncoder(spec: PixelSpec): ExampleEncoder {
  const size = sizeOf(exampleDims(spec).get(spec.name)!);
  return {
    async encode(images) {
      // Of each call its own: calls may overlap, as those of a server do.
      const pixels = new Float32Array(images.length * size);
      const places = images.map((_, i) => pixels.subarray(i * size, (i + 1) * size));
      await Promise.all(images.map((image, i) => preprocessImage(image, spec.preprocess, places[i]!)));
      return imageRows(spec, images.length, (start, end) => pixels.subarray(start * size, end * size));
    },
  };
}
