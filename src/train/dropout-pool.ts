/**
 * Dropout masks from a pool of random numbers that is drawn once. A step takes a stretch of it from a random offset for
 * each layer, so that a mask costs a slice instead of a random number for each hidden value, and follows from the seed
 * and the offsets alone.
 */
import { createRng, type Rng } from '../rng.js';

export interface DropoutPool {
  /** 0 for a share p of the elements, 1 / (1 - p) for the others. */
  readonly values: Float32Array;
  /** Where a mask of `size` elements begins. */
  drawOffset(rng: Rng, size: number): number;
}

/** Offsets to choose from. */
const choices = 2 ** 18;

/** @param largest - elements of the largest mask */
export function createDropoutPool(rate: number, largest: number, seed: number): DropoutPool {
  const rng = createRng(seed);
  const kept = 1 / (1 - rate);
  const values = Float32Array.from({ length: largest + choices }, () => (rng.uniform() < rate ? 0 : kept));
  return { values, drawOffset: (draw, size) => draw.integer(values.length - size + 1) };
}
