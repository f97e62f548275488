import { GraftError } from '../errors.js';
import type { FeatureStore } from './feature-store.js';
import { keyBytes } from './key-index.js';

/** That the store has no row of `example`, the number of a key in `keys`. */
export function missingRow(
  store: FeatureStore,
  keys: Uint8Array,
  example: number,
  reason = 'it was never computed',
): GraftError {
  const key = Buffer.from(keys.subarray(example * keyBytes, example * keyBytes + 8)).toString('hex');
  return new GraftError(
    'INVALID_CACHE',
    `No features of example ${key}… in ${store.folder}: ${reason}. Run the command again to compute them.`,
  );
}
