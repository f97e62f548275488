/**
 * Rows of a store by their number in a list of keys, straight from the disk: for rows so large, or so many, that they
 * are not all held in memory. What was read lately the operating system keeps in what memory is free.
 */
import path from 'node:path';
import { fromHalf } from '../tensor/float16.js';
import type { FeatureStore } from './feature-store.js';
import { keyBytes } from './key-index.js';
import { missingRow } from './missing-row.js';
import { openPlaces } from './place-reader.js';
import { locateRows } from './shard.js';

export interface RowReader {
  readonly dim: number;
  readonly rows: number;
  /**
   * Copies these rows one after another into `into`, [rows.length, dim].
   * @throws GraftError FILE_UNREADABLE, INVALID_CACHE where a shard was cut short meanwhile.
   */
  read(rows: ArrayLike<number>, into: Float32Array): Promise<void>;
  close(): Promise<void>;
}

/**
 * Every shard in use is read once and its checksum compared before the first row is given out.
 * @param keys - sha256 of each example's bytes one after another, uint8 [n, 32]; repeats are allowed
 * @throws GraftError INVALID_CACHE where a row is missing or its shard is damaged.
 */
export async function openRows(store: FeatureStore, keys: Uint8Array): Promise<RowReader> {
  const { dim, dtype } = store.format;
  const isHalf = dtype === 'float16';
  const rowBytes = dim * (isHalf ? 2 : 4);
  const rowCount = keys.length / keyBytes;
  const files: string[] = [];
  const starts: number[] = [];
  const numbers = new Map<string, number>();
  const fileOf = new Uint32Array(rowCount);
  const positions = new Float64Array(rowCount);
  for (let row = 0; row < rowCount; row++) {
    const found = await store.findVerified(keys, row * keyBytes);
    if (found?.kind !== 'row') throw missingRow(store, keys, row, found?.reason);
    let file = numbers.get(found.shard);
    if (file === undefined) {
      numbers.set(found.shard, (file = files.length));
      files.push(path.join(store.folder, found.shard));
      starts.push(await locateRows(files[file]!, store.format));
    }
    fileOf[row] = file;
    positions[row] = starts[file]! + found.row * rowBytes;
  }
  const places = openPlaces({ files, fileOf, positions, rowBytes });
  // Float16 rows are read here before they are widened; two calls at once have one each.
  const spare: Uint16Array[] = [];
  return {
    dim,
    rows: rowCount,
    async read(rows, into) {
      const length = rows.length * dim;
      if (!isHalf) return places.read(rows, new Uint8Array(into.buffer, into.byteOffset, 4 * length));
      const kept = spare.pop();
      const raw = kept && kept.length >= length ? kept : new Uint16Array(length);
      await places.read(rows, new Uint8Array(raw.buffer, 0, 2 * length));
      const values = halfValues();
      for (let i = 0; i < length; i++) into[i] = values[raw[i]!]!;
      spare.push(raw);
    },
    close: () => places.close(),
  };
}

let table: Float32Array | undefined;

/** The value of every binary16 pattern. */
function halfValues(): Float32Array {
  return (table ??= Float32Array.from({ length: 2 ** 16 }, (_, pattern) => fromHalf(pattern)));
}
