/** Examples to try a model on where none are given. */
import { openTextEncoder } from '../inputs/encode-texts.js';
import { exampleDims, type InputSpec } from '../models/input-spec.js';
import { createRng } from '../rng.js';
import type { TensorMap } from '../runtime/session.js';
import { sizeOf } from '../tensor/shape.js';
import { float32 } from '../tensor/tensor.js';

const texts = ['a', 'the other', 'and one more. '.repeat(8)];

/**
 * Texts of different lengths, or images of noise.
 * @param which - 0, 1 or 2 for each example, in the order in which they are run
 */
export function trialFeeds(input: InputSpec, which: readonly number[]): TensorMap {
  const count = which.length;
  if (input.kind === 'tokens') {
    const encoder = openTextEncoder(input);
    return encoder.arrange(which.map((i) => encoder.tokensOfTrial(texts[i]!))).feeds(0, count);
  }
  const dims = exampleDims(input).get(input.name)!.slice(1);
  const images = which.map((i) => {
    const rng = createRng(i + 1);
    return Array.from({ length: sizeOf(dims) }, () => rng.normal());
  });
  return { [input.name]: float32([count, ...dims], Float32Array.from(images.flat())) };
}
