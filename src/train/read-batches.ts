import type { AnyFeatureSet } from './feature-set.js';
import type { RowSource } from './row-source.js';

export interface Batch<Rows extends Int32Array | Uint32Array = Uint32Array> {
  /** Which rows of the source these are. */
  readonly rows: Rows;
  /** [rows.length, dim]; used again two batches later. */
  readonly values: Float32Array;
}

/** What two batches are read into in turn. */
export type BatchMemory = readonly [Float32Array, Float32Array];

export function batchMemory({ dim, rows }: RowSource, size: number): BatchMemory {
  const length = Math.min(size, rows) * dim;
  return [new Float32Array(length), new Float32Array(length)];
}

/** Rows of a source in a given order, `size` at a time; the next ones are read while these are in use. */
export async function* readBatches<Rows extends Int32Array | Uint32Array>(
  source: RowSource,
  order: Rows,
  size: number,
  memory: BatchMemory = batchMemory(source, size),
): AsyncGenerator<Batch<Rows>> {
  const { dim } = source;
  const begin = (number: number): (Batch<Rows> & { readonly done: Promise<void> }) | undefined => {
    const rows = order.subarray(number * size, (number + 1) * size) as Rows;
    if (rows.length === 0) return undefined;
    const values = memory[number % 2]!.subarray(0, rows.length * dim);
    const done = source.read(rows, values);
    // Heard where the batch is waited for; a caller that stops before must not crash the process.
    done.catch(() => {});
    return { rows, values, done };
  };
  let next = begin(0);
  for (let number = 1; next; number++) {
    const current: Batch<Rows> & { readonly done: Promise<void> } = next;
    await current.done;
    next = begin(number);
    yield current;
  }
}

/** `readBatches` of a set's features; of a set in memory the rows alone, without a copy of their values. */
export async function* batchesOf(
  { features }: AnyFeatureSet,
  order: Int32Array,
  size: number,
  memory?: BatchMemory,
): AsyncGenerator<{ readonly rows: Int32Array; readonly values?: Float32Array }> {
  if (!(features instanceof Float32Array)) {
    yield* readBatches(features, order, size, memory);
    return;
  }
  for (let start = 0; start < order.length; start += size)
    yield { rows: order.subarray(start, start + size) };
}

/** 0, 1, … rows - 1 */
export function inOrder(rows: number): Uint32Array {
  return Uint32Array.from({ length: rows }, (_, i) => i);
}
