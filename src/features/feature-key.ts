/** What a feature store holds, and the name that follows from it. */
import { createHash } from 'node:crypto';
import { invalidArgument } from '../errors.js';
import type { RandomView } from '../image/random-view.js';
import type { InputIdentity } from '../models/identify-input.js';

/** Raised when the meaning of a row or the layout of a shard changes; older stores are then simply not found. */
export const storeFormatVersion = 2;

export type FeatureDType = 'float32' | 'float16';

/** Everything a row depends on, apart from the example's own bytes. */
export type FeatureSource = FeatureSettings & InputIdentity;

export interface FeatureSettings {
  readonly backboneSha256: string;
  /** Tensor the model was cut at. */
  readonly layer: string;
  /** How the layer's axes were reduced to one vector. */
  readonly pool: string;
  /** Name of the augmentation view, as `viewName` gives it; 'original' for none. */
  readonly view: string;
  /** Type that rows are stored as. float16 halves the disk and rounds to 11 bits of mantissa. */
  readonly dtype: FeatureDType;
}

/**
 * Tells one random view from all others: its number, its seed and every bound of what is done. The number in front is
 * raised when the same bounds come to mean other pixels.
 */
export function viewName({ number, seed, augment }: RandomView): string {
  return `view ${number} of seed ${seed}, augment 1 ${canonicalJson(augment)}`;
}

/** What `viewName` was made of; undefined where there is no view, or one of another version. */
export function parseViewName(name: string): RandomView | undefined {
  const [, number, seed, augment] = /^view (\d+) of seed (\d+), augment 1 (.+)$/.exec(name) ?? [];
  if (augment === undefined) return undefined;
  return {
    number: Number(number),
    seed: Number(seed),
    augment: JSON.parse(augment) as RandomView['augment'],
  };
}

/** The store's name: sha256, as 64 hex digits, of the source as canonical JSON. */
export function featureKey(source: FeatureSource): string {
  return createHash('sha256')
    .update(canonicalJson(keyFields(source)))
    .digest('hex');
}

/** The source and the format version, without any field that is not part of the key. */
export function keyFields({ backboneSha256, layer, pool, view, dtype, ...input }: FeatureSource) {
  const { preprocess, tokens, isSingle } = input;
  const read = tokens ? { tokens } : { preprocess, ...(isSingle && { isSingle }) };
  return { formatVersion: storeFormatVersion, backboneSha256, layer, pool, ...read, view, dtype };
}

/**
 * JSON with object keys sorted and no white space: equal values give equal text.
 * @throws GraftError INVALID_ARGUMENT for what JSON would silently change (NaN, infinities, functions).
 */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    const fields = Object.entries(value)
      .filter(([, field]) => field !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, field]) => `${JSON.stringify(key)}:${canonicalJson(field)}`);
    return `{${fields.join(',')}}`;
  }
  const isPlain = value === null || typeof value === 'boolean' || typeof value === 'string';
  if (!isPlain && !Number.isFinite(value)) {
    throw invalidArgument('the feature source', 'finite numbers, texts and lists', value);
  }
  return JSON.stringify(value);
}
