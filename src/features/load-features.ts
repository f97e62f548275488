/** Rows of a store as one matrix, in the order of the data set. */
import { invalidArgument } from '../errors.js';
import { fromHalf } from '../tensor/float16.js';
import type { FeatureStore } from './feature-store.js';
import { keyBytes } from './key-index.js';
import { missingRow } from './missing-row.js';

/**
 * The features of `keys`, read shard by shard, each shard once and checked.
 * @param keys - sha256 of each example's bytes one after another, uint8 [n, 32]; repeats are allowed
 * @returns float32 [n, dim]
 * @throws GraftError INVALID_CACHE where a row is missing, or its shard turned out damaged while it was read.
 */
export async function loadFeatures(store: FeatureStore, keys: Uint8Array): Promise<Float32Array> {
  if (keys.length % keyBytes !== 0) {
    throw invalidArgument('keys', `whole keys of ${keyBytes} bytes`, `${keys.length} bytes`);
  }
  const { dim } = store;
  const count = keys.length / keyBytes;
  const features = new Float32Array(count * dim);
  const rowOf = new Uint32Array(count);
  const examplesOf = new Map<string, number[]>();
  for (let i = 0; i < count; i++) {
    const found = store.find(keys, i * keyBytes);
    if (found?.kind !== 'row') throw missingRow(store, keys, i, found?.reason);
    rowOf[i] = found.row;
    const examples = examplesOf.get(found.shard);
    if (examples) examples.push(i);
    else examplesOf.set(found.shard, [i]);
  }
  for (const [shard, examples] of examplesOf) {
    const rows = await store.readShard(shard);
    if (!rows) throw missingRow(store, keys, examples[0]!, 'its shard was damaged and is set aside');
    for (const i of examples) copyRow(rows, rowOf[i]! * dim, features, i * dim, dim);
  }
  return features;
}

function copyRow(
  rows: Float32Array | Uint16Array,
  from: number,
  into: Float32Array,
  to: number,
  dim: number,
): void {
  if (rows instanceof Float32Array) into.set(rows.subarray(from, from + dim), to);
  else for (let i = 0; i < dim; i++) into[to + i] = fromHalf(rows[from + i]!);
}
