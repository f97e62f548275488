/** What became of each example of a list, once everything that can have a row has one in the stores. */
import { GraftError } from '../errors.js';
import type { LocatedList } from '../sources/source.js';
import type { FeatureStore } from './feature-store.js';
import { type KeyIndex, keyBytes } from './key-index.js';

export interface Skipped {
  /** Place in the list. */
  readonly index: number;
  readonly path: string;
  readonly reason: string;
}

export interface Extracted {
  readonly examples: LocatedList;
  readonly stores: readonly FeatureStore[];
  /** The sha256 of all examples that could be read. */
  readonly distinct: KeyIndex;
  /** Number of each example's key among the distinct ones. */
  readonly ordinals: Uint32Array;
  /** By place in the list, why an example could not be read. */
  readonly unreadable: ReadonlyMap<number, string>;
}

/**
 * @returns `keys` with the sha256 of each example, uint8 [examples, 32]; zero where it was skipped.
 * @throws GraftError INVALID_CACHE where a row went missing.
 */
export function collectRows({ examples, stores, distinct, ordinals, unreadable }: Extracted): {
  readonly skipped: readonly Skipped[];
  readonly keys: Uint8Array;
} {
  const skipped: Skipped[] = [];
  const keys = new Uint8Array(examples.length * keyBytes);
  const pathOf = (index: number) => examples.at(index)!.path;
  for (let index = 0; index < examples.length; index++) {
    const start = ordinals[index]! * keyBytes;
    const reason = unreadable.get(index);
    if (reason !== undefined) {
      skipped.push({ index, path: pathOf(index), reason });
      continue;
    }
    const found = stores.map((store) => store.find(distinct.keys, start));
    if (found.includes(undefined)) {
      const { folder } = stores[found.indexOf(undefined)]!;
      throw new GraftError(
        'INVALID_CACHE',
        `The row of ${pathOf(index)} went missing from ${folder}; run again.`,
      );
    }
    const refused = found.find((place) => place?.kind === 'skipped');
    if (refused?.kind === 'skipped') skipped.push({ index, path: pathOf(index), reason: refused.reason });
    else keys.set(distinct.keys.subarray(start, start + keyBytes), index * keyBytes);
  }
  return { skipped, keys };
}
