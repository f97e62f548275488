/** The features of a file, row by row: its tensor `features` [N, D] float32, every number of which is checked when it is read. */
import type { GraftError } from '../errors.js';
import { openPlaces } from '../features/place-reader.js';
import { entryOf, type FeatureSource, invalid, openFeatureSource, readInto } from './feature-entries.js';

export interface FeatureRows {
  readonly path: string;
  readonly dim: number;
  readonly rows: number;
  /** Copies rows `from`, `from + 1`, … into `into`, [count, dim]. */
  read(from: number, into: Float32Array): Promise<void>;
  /** Copies these rows one after another into `into`, [rows.length, dim]. */
  readRows(rows: ArrayLike<number>, into: Float32Array): Promise<void>;
  close(): Promise<void>;
}

/** Labels and classes are not looked at. */
export function openFeatureRows(file: string): Promise<FeatureRows> {
  return openFeatureSource(file, async (source) => rowsOf(source));
}

/** Closing the rows closes the file. */
export function rowsOf(source: FeatureSource): FeatureRows {
  const { handle, where } = source;
  const features = entryOf(source, 'features', ['float32']);
  if (features.dims.length !== 2 || features.dims.includes(0)) {
    throw invalid(where, `features should have the shape [examples, numbers] but has [${features.dims}]`);
  }
  const [rows, dim] = features.dims as [number, number];
  const rowBytes = 4 * dim;
  const places = openPlaces({
    files: [where],
    fileOf: new Uint32Array(rows),
    positions: Float64Array.from({ length: rows }, (_, row) => features.begin + row * rowBytes),
    rowBytes,
  });
  const isChecked = new Uint8Array(rows);
  return {
    ...{ path: where, dim, rows },
    async read(from, into) {
      const bytes = new Uint8Array(into.buffer, into.byteOffset, into.byteLength);
      await readInto(handle, features.begin + from * dim * 4, bytes, where);
      const bad = firstNotFinite(into, 0, into.length);
      if (bad >= 0) throw notFinite(from + Math.floor(bad / dim), bad % dim, into[bad]!);
    },
    async readRows(wanted, into) {
      await places.read(wanted, new Uint8Array(into.buffer, into.byteOffset, 4 * wanted.length * dim));
      for (let i = 0; i < wanted.length; i++) {
        const row = wanted[i]!;
        if (isChecked[row]) continue;
        const bad = firstNotFinite(into, i * dim, (i + 1) * dim);
        if (bad >= 0) throw notFinite(row, bad - i * dim, into[bad]!);
        isChecked[row] = 1;
      }
    },
    async close() {
      await places.close();
      await handle.close();
    },
  };

  function notFinite(row: number, column: number, value: number): GraftError {
    return invalid(where, `features should be finite numbers but row ${row}, column ${column} is ${value}`);
  }
}

/** Index of the first number among those from `start` to before `end` that is not finite; -1 where all are. */
function firstNotFinite(values: Float32Array, start: number, end: number): number {
  // A call for each number, as findIndex makes, takes four times as long.
  for (let i = start; i < end; i++) if (!Number.isFinite(values[i]!)) return i;
  return -1;
}
