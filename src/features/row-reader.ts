/**
 * Rows of a store by their number in a list of keys, straight from the disk: for rows so large, or so many, that they
 * are not all held in memory. What was read lately the operating system keeps in what memory is free.
 */
import { open } from 'node:fs/promises';
import path from 'node:path';
import { GraftError, unreadable } from '../errors.js';
import { fromHalf } from '../tensor/float16.js';
import type { FeatureStore } from './feature-store.js';
import { keyBytes } from './key-index.js';
import { locateRows } from './shard.js';

interface Place {
  readonly file: string;
  /** Where the row begins, in bytes from the start of the file. */
  readonly position: number;
}

export interface RowReader {
  readonly dim: number;
  readonly rows: number;
  /**
   * Copies these rows one after another into `into`, [rows.length, dim].
   * @throws GraftError FILE_UNREADABLE, INVALID_CACHE where a shard was cut short meanwhile.
   */
  read(rows: ArrayLike<number>, into: Float32Array): Promise<void>;
}

/**
 * Every shard in use is read once and its checksum compared before the first row is given out.
 * @param keys - sha256 of each example's bytes one after another, uint8 [n, 32]; repeats are allowed
 * @throws GraftError INVALID_CACHE where a row is missing or its shard is damaged.
 */
export async function openRows(store: FeatureStore, keys: Uint8Array): Promise<RowReader> {
  const { dim, dtype } = store.format;
  const rowBytes = dim * (dtype === 'float16' ? 2 : 4);
  const starts = new Map<string, number>();
  const places: Place[] = [];
  for (let offset = 0; offset < keys.length; offset += keyBytes) {
    const found = await store.findVerified(keys, offset);
    if (found?.kind !== 'row') throw missing(store, keys, offset, found?.reason);
    const file = path.join(store.folder, found.shard);
    let start = starts.get(file);
    if (start === undefined) starts.set(file, (start = await locateRows(file, store.format)));
    places.push({ file, position: start + found.row * rowBytes });
  }
  // Float16 rows are read here before they are widened; two calls at once have one each.
  const spare: Uint16Array[] = [];
  return {
    dim,
    rows: places.length,
    async read(rows, into) {
      const isHalf = dtype === 'float16';
      let raw: Float32Array | Uint16Array = into;
      if (isHalf) {
        const kept = spare.pop();
        raw = kept && kept.length >= rows.length * dim ? kept : new Uint16Array(rows.length * dim);
      }
      await Promise.all(
        Array.from(rows, (row, i) => readRow(places[row]!, raw.subarray(i * dim, (i + 1) * dim))),
      );
      if (!(raw instanceof Uint16Array)) return;
      const values = halfValues();
      for (let i = 0; i < rows.length * dim; i++) into[i] = values[raw[i]!]!;
      spare.push(raw);
    },
  };
}

async function readRow({ file, position }: Place, into: Float32Array | Uint16Array): Promise<void> {
  const bytes = new Uint8Array(into.buffer, into.byteOffset, into.byteLength);
  try {
    const handle = await open(file, 'r');
    try {
      for (let done = 0; done < bytes.length;) {
        const { bytesRead } = await handle.read(bytes, done, bytes.length - done, position + done);
        if (bytesRead === 0) {
          throw new GraftError('INVALID_CACHE', `${file} was cut short while it was in use.`);
        }
        done += bytesRead;
      }
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw unreadable(file, error);
  }
}

let table: Float32Array | undefined;

/** The value of every binary16 pattern. */
function halfValues(): Float32Array {
  return (table ??= Float32Array.from({ length: 2 ** 16 }, (_, pattern) => fromHalf(pattern)));
}

function missing(store: FeatureStore, keys: Uint8Array, offset: number, reason = 'it was never computed') {
  const key = Buffer.from(keys.subarray(offset, offset + 8)).toString('hex');
  return new GraftError(
    'INVALID_CACHE',
    `No row of example ${key}… in ${store.folder}: ${reason}. Run the command again to compute it.`,
  );
}
