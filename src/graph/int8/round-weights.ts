/**
 * Weights as 8-bit integers around zero, with a scale for each channel: w ≈ scale · q.
 *
 * Weights that integers are multiplied with keep to 7 bits. Processors without VNNI add two products of uint8 and int8 in 16 bits
 * (vpmaddubsw), which overflow beyond 2 · 255 · 64 = 32640, so that a file of 8 bits would be right on some machines only.
 */
import { GraftError } from '../../errors.js';
import { quoteName } from '../../onnx/quote-name.js';
import type { Tensor } from '../../tensor/tensor.js';

/** Largest size of an integer that is multiplied, and of one that is only looked up. */
export const [multipliedMost, lookedUpMost] = [64, 127];
/** Scales are no smaller, so that the product of two of them is a normal float32. */
export const leastScale = 2 ** -60;

export interface RoundedWeights {
  /** int8, as large as the weights. */
  readonly values: Tensor;
  /** [outer · inner] */
  readonly scales: Float32Array<ArrayBuffer>;
}

export interface Channels {
  /** The weights as [outer, shared, inner]: those along the middle axis have one scale. */
  readonly view: readonly [outer: number, shared: number, inner: number];
  readonly most: number;
  /** Scales are at least so large each. */
  readonly least?: ArrayLike<number> | undefined;
}

/** @throws GraftError UNSUPPORTED_MODEL where a weight is no finite number. */
export function roundWeights(
  name: string,
  { dims, data }: Tensor,
  { view: [outer, shared, inner], most, least }: Channels,
): RoundedWeights {
  const scales = new Float32Array(outer * inner);
  const values = new Int8Array(data.length);
  const weights = data as Float32Array;
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < inner; i++) {
      const [start, end] = [o * shared * inner + i, (o + 1) * shared * inner];
      let largest = 0;
      // NaN stays, whatever comes after it.
      for (let at = start; at < end; at += inner) largest = Math.max(largest, Math.abs(weights[at]!));
      if (!Number.isFinite(largest)) {
        throw new GraftError(
          'UNSUPPORTED_MODEL',
          `The weights ${quoteName(name)} of the backbone hold numbers that are not finite, so they cannot be quantised.`,
        );
      }
      const channel = o * inner + i;
      const scale = Math.max(leastScale, least?.[channel] ?? 0, largest / most);
      scales[channel] = scale;
      for (let at = start; at < end; at += inner) values[at] = roundEven(weights[at]! / scale);
    }
  }
  return { values: { dtype: 'int8', dims, data: values }, scales };
}

/** As QuantizeLinear rounds: halves to the even neighbour. */
export function roundEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest < 0.5 || (rest === 0.5 && floor % 2 === 0) ? floor : floor + 1;
}
