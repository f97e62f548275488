/** Images as a file takes them that prepares pixels itself, and the same as the backbone takes them. */
import type { DecodedImage } from '../image/decoded-image.js';
import { toChannels, writeImage } from '../image/write-image.js';
import { exampleDims, type PixelSpec } from '../models/input-spec.js';
import { sizeOf } from '../tensor/shape.js';
import { float32, type Tensor } from '../tensor/tensor.js';
import type { EncodedExamples } from './encoded-examples.js';
import { imageRows } from './image-rows.js';

/**
 * @param images - upright, 8 bits, of any sizes
 * @param name - of the input that takes pixels
 */
export function pixelExamples(
  spec: PixelSpec,
  images: readonly DecodedImage[],
  name: string,
): { readonly prepared: EncodedExamples; readonly raw: EncodedExamples } {
  const colour = images.map((image) => toChannels(image, { ...spec.preprocess, channelOrder: 'rgb' }));
  const size = sizeOf(exampleDims(spec).get(spec.name)!);
  const values = new Float32Array(images.length * size);
  for (const [i, image] of colour.entries()) {
    // Grey is made in place; slice would share the memory of a Buffer.
    const copy = { ...image, data: Uint8Array.from(image.data) };
    writeImage(toChannels(copy, spec.preprocess), spec.preprocess, values.subarray(i * size, (i + 1) * size));
  }
  const prepared = imageRows(spec, images.length, (start, end) => values.subarray(start * size, end * size));
  const feeds = (start: number) => {
    const { height, width, data } = colour[start]!;
    return { [name]: { dtype: 'uint8' as const, dims: [1, height, width, 3], data } };
  };
  return { prepared, raw: { count: images.length, order: prepared.order, together: () => 1, feeds } };
}

/** The same levels as float32 [1, 3, height, width], for a file that takes them so. */
export function asPlanes(raw: EncodedExamples, name: string): EncodedExamples {
  return {
    ...raw,
    feeds(start, end) {
      const [{ dims, data }] = Object.values(raw.feeds(start, end)) as [Tensor];
      const [, height, width] = dims as [number, number, number, number];
      const plane = height * width;
      const values = Float32Array.from({ length: 3 * plane }, (_, i) =>
        Number(data[(i % plane) * 3 + Math.floor(i / plane)]),
      );
      return { [name]: float32([1, 3, height, width], values) };
    },
  };
}
