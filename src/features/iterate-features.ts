/** Rows of a store in the order of a data set, some megabytes at a time: for files larger than memory. */
import { GraftError } from '../errors.js';
import type { FeatureStore } from './feature-store.js';
import { keyBytes } from './key-index.js';
import { loadFeatures } from './load-features.js';

/** Most bytes of one piece; with fewer, shards at the seams would be read more often. */
const pieceBytes = 64 * 2 ** 20;

export interface FeaturePiece {
  /** Place of the first row in the list of keys. */
  readonly start: number;
  readonly rows: number;
  /** [rows, dim] */
  readonly features: Float32Array;
}

/** @throws GraftError INVALID_CACHE as `loadFeatures`, INTERRUPTED by `signal`. */
export async function* iterateFeatures(
  store: FeatureStore,
  keys: Uint8Array,
  { maxRows = 4096, signal }: { readonly maxRows?: number; readonly signal?: AbortSignal | undefined } = {},
): AsyncGenerator<FeaturePiece> {
  const count = keys.length / keyBytes;
  const step = Math.max(1, Math.min(maxRows, Math.floor(pieceBytes / (4 * store.dim))));
  for (let start = 0; start < count; start += step) {
    if (signal?.aborted) throw new GraftError('INTERRUPTED', 'Interrupted; nothing half was written.');
    const rows = Math.min(step, count - start);
    const features = await loadFeatures(store, keys.subarray(start * keyBytes, (start + rows) * keyBytes));
    yield { start, rows, features };
  }
}
