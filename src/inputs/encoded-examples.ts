import type { TensorMap } from '../runtime/session.js';

/** Examples ready to be fed to a model, in the order in which they are best run. */
export interface EncodedExamples {
  readonly count: number;
  /** For each place, which of the examples stands there. */
  readonly order: ArrayLike<number>;
  /** How many examples from place `start` on may be in one run, at most `most`. */
  together(start: number, most: number): number;
  /** What the model takes of the examples in places `start` up to, without, `end`. */
  feeds(start: number, end: number): TensorMap;
}
