import { GraftError } from '../errors.js';

/**
 * @param outputs - what a model says of one example
 * @param example - what that is called
 * @throws GraftError RUNTIME_FAILURE for NaN and Infinity, which no label and no figure can be made of.
 */
export function assertFinite(outputs: Float32Array, example = 'it'): void {
  const bad = outputs.find((value) => !Number.isFinite(value));
  if (bad === undefined) return;
  throw new GraftError(
    'RUNTIME_FAILURE',
    `The model gives ${bad} for ${example}: a value on the way is too large for its type, or a weight of the file is no number.`,
  );
}
