import type { RowSource } from './row-source.js';

export interface Batch {
  /** Which rows of the source these are. */
  readonly rows: Uint32Array;
  /** [rows.length, dim]; used again two batches later. */
  readonly values: Float32Array;
}

/** Rows of a source in a given order, `size` at a time; the next ones are read while these are in use. */
export async function* readBatches(
  source: RowSource,
  order: Uint32Array,
  size: number,
): AsyncGenerator<Batch> {
  const { dim } = source;
  const memory = [0, 1].map(() => new Float32Array(Math.min(size, order.length) * dim));
  const begin = (number: number): (Batch & { readonly done: Promise<void> }) | undefined => {
    const rows = order.subarray(number * size, (number + 1) * size);
    if (rows.length === 0) return undefined;
    const values = memory[number % 2]!.subarray(0, rows.length * dim);
    const done = source.read(rows, values);
    // Heard where the batch is waited for; a caller that stops before must not crash the process.
    done.catch(() => {});
    return { rows, values, done };
  };
  let next = begin(0);
  for (let number = 1; next; number++) {
    const current: Batch & { readonly done: Promise<void> } = next;
    await current.done;
    next = begin(number);
    yield current;
  }
}

/** 0, 1, … rows - 1 */
export function inOrder(rows: number): Uint32Array {
  return Uint32Array.from({ length: rows }, (_, i) => i);
}
