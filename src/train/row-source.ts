import type { Targets } from '../tasks/targets.js';

/** Rows of numbers that are read when they are needed, so that a set may be larger than memory. */
export interface RowSource {
  /** Numbers in a row. */
  readonly dim: number;
  readonly rows: number;
  /** Copies these rows one after another into `into`, [rows.length, dim]. */
  read(rows: ArrayLike<number>, into: Float32Array): Promise<void>;
}

/** Activations of some examples at a cut, and what these are to be predicted as. */
export interface ActivationSet extends Targets {
  readonly activations: RowSource;
}

/** @param values - [rows, dim] */
export function rowsInMemory(values: Float32Array, dim: number): RowSource {
  return {
    dim,
    rows: values.length / dim,
    async read(rows, into) {
      for (let i = 0; i < rows.length; i++) {
        into.set(values.subarray(rows[i]! * dim, (rows[i]! + 1) * dim), i * dim);
      }
    },
  };
}
