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
      copyRows(values, dim, rows, into);
    },
  };
}

/** Copies rows of `values`, [·, dim], one after another. */
export function copyRows(
  values: Float32Array,
  dim: number,
  rows: ArrayLike<number>,
  into: Float32Array,
): void {
  for (let i = 0; i < rows.length; i++) {
    into.set(values.subarray(rows[i]! * dim, (rows[i]! + 1) * dim), i * dim);
  }
}

/** Some rows of a source, in the order given, as a source of its own. */
export function pickRows(source: RowSource, picked: ArrayLike<number>): RowSource {
  return {
    dim: source.dim,
    rows: picked.length,
    read: (rows, into) =>
      source.read(
        Uint32Array.from(rows, (row) => picked[row]!),
        into,
      ),
  };
}

/** Sources of equally many rows, one below the other. */
export function stackSources(sources: readonly RowSource[]): RowSource {
  const [{ dim, rows: each }] = sources as readonly [RowSource];
  return {
    dim,
    rows: sources.length * each,
    async read(rows, into) {
      for (const [number, source] of sources.entries()) {
        const places: number[] = [];
        for (let i = 0; i < rows.length; i++) if (Math.floor(rows[i]! / each) === number) places.push(i);
        if (places.length === 0) continue;
        const own = Uint32Array.from(places, (i) => rows[i]! - number * each);
        if (places.length === rows.length) return source.read(own, into);
        const values = new Float32Array(own.length * dim);
        await source.read(own, values);
        places.forEach((i, at) => into.set(values.subarray(at * dim, (at + 1) * dim), i * dim));
      }
    },
  };
}
