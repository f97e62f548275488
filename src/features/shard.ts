/**
 * One shard: a safetensors file with `features` [n, dim] (float32 or float16) and `keys` [n, 32] uint8, the sha256 of
 * each example's bytes. Metadata:
 *   store     key of the store it belongs to
 *   skipped   JSON list of {sha256, reason}: examples of the same group that no features could be made from
 *   checksum  sha256 of the tensors' bytes, features then keys
 * The file's name is the first half of sha256(store, keys, skipped), so the index part is checked by the name alone.
 */
import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { GraftError, systemErrorCode } from '../errors.js';
import { toHalfArray } from '../tensor/float16.js';
import {
  decodeSafetensors,
  decodeSafetensorsHeader,
  encodeSafetensors,
  type SafetensorsEntry,
  safetensorsDataStart,
} from '../tensor/safetensors.js';
import type { Tensor } from '../tensor/tensor.js';
import type { FeatureDType } from './feature-key.js';
import { keyBytes } from './key-index.js';

export interface SkippedKey {
  /** 64 hex digits. */
  readonly sha256: string;
  readonly reason: string;
}

/** What shards of one store have in common. */
export interface ShardFormat {
  readonly storeKey: string;
  readonly dim: number;
  readonly dtype: FeatureDType;
}

export interface ShardContent {
  /** [n, dim] */
  readonly features: Float32Array;
  /** [n, 32] */
  readonly keys: Uint8Array;
  readonly skipped: readonly SkippedKey[];
}

export interface ShardIndex {
  readonly keys: Uint8Array;
  readonly skipped: readonly SkippedKey[];
}

export const shardExtension = '.safetensors';

/** The shard as its file name and bytes; equal content gives equal bytes. */
export function encodeShard(content: ShardContent, format: ShardFormat): { name: string; bytes: Uint8Array } {
  const { features, keys } = content;
  const rows = keys.length / keyBytes;
  const data = format.dtype === 'float16' ? toHalfArray(features) : features;
  const skipped = JSON.stringify(content.skipped.map(({ sha256, reason }) => ({ sha256, reason })));
  const tensors = new Map<string, Tensor>([
    ['features', { dtype: format.dtype, dims: [rows, format.dim], data }],
    ['keys', { dtype: 'uint8', dims: [rows, keyBytes], data: keys }],
  ]);
  const metadata = { store: format.storeKey, skipped, checksum: checksumOf(asBytes(data), keys) };
  return { name: shardName(format.storeKey, keys, skipped), bytes: encodeSafetensors(tensors, metadata) };
}

/**
 * Keys and skip list of a shard, without reading its features.
 * @throws GraftError INVALID_CACHE or FILE_UNREADABLE where it is not a whole shard of this store; system errors as they are.
 */
export async function readShardIndex(path: string, name: string, format: ShardFormat): Promise<ShardIndex> {
  const file = await open(path, 'r');
  try {
    const { entries, metadata } = await readHeader(file, format, path);
    const { begin, end } = entries.get('keys')!;
    const keys = await readAt(file, begin, end - begin);
    return { keys, skipped: checkIndex(keys, metadata, name, format, path) };
  } finally {
    await file.close();
  }
}

/**
 * Where the features of a shard begin, in bytes from the start of the file.
 * @throws GraftError as `readShardIndex`
 */
export async function locateRows(path: string, format: ShardFormat): Promise<number> {
  const file = await open(path, 'r');
  try {
    const { entries } = await readHeader(file, format, path);
    return entries.get('features')!.begin;
  } finally {
    await file.close();
  }
}

async function readHeader(file: FileHandle, format: ShardFormat, path: string) {
  const { size } = await file.stat();
  let start = await readAt(file, 0, Math.min(size, 4096));
  const dataStart = safetensorsDataStart(start, size, path);
  if (dataStart > start.length) start = await readAt(file, 0, dataStart);
  const header = decodeSafetensorsHeader(start, size, path);
  checkEntries(header.entries, format, path);
  return header;
}

/**
 * A whole shard, with everything checked; `features` is a view into `bytes`.
 * @throws GraftError INVALID_CACHE or FILE_UNREADABLE where any byte is not as it was written.
 */
export function decodeShard(bytes: Uint8Array, name: string, format: ShardFormat, path: string) {
  const { entries } = decodeSafetensorsHeader(bytes, bytes.length, path);
  checkEntries(entries, format, path);
  const { tensors, metadata } = decodeSafetensors(bytes, path);
  const features = tensors.get('features')!.data as Float32Array | Uint16Array;
  const keys = tensors.get('keys')!.data as Uint8Array;
  const skipped = checkIndex(keys, metadata, name, format, path);
  if (metadata.checksum !== checksumOf(asBytes(features), keys)) {
    throw damaged(path, 'its checksum does not match its bytes');
  }
  return { features, keys, skipped };
}

function checkEntries(
  entries: ReadonlyMap<string, SafetensorsEntry>,
  format: ShardFormat,
  path: string,
): void {
  const features = entries.get('features');
  const keys = entries.get('keys');
  const fits =
    entries.size === 2 &&
    features?.dims.length === 2 &&
    features.dims[1] === format.dim &&
    features.dtype === format.dtype &&
    keys?.dtype === 'uint8' &&
    keys.dims.length === 2 &&
    keys.dims[0] === features.dims[0] &&
    keys.dims[1] === keyBytes;
  if (!fits)
    throw damaged(path, `it does not hold ${format.dtype} features [n,${format.dim}] with their keys`);
}

function checkIndex(
  keys: Uint8Array,
  metadata: Readonly<Record<string, string>>,
  name: string,
  format: ShardFormat,
  path: string,
): SkippedKey[] {
  if (metadata.store !== format.storeKey) throw damaged(path, 'it belongs to another store');
  const skipped = metadata.skipped ?? '';
  if (name !== shardName(format.storeKey, keys, skipped))
    throw damaged(path, 'its keys do not match its name');
  let parsed: unknown;
  try {
    parsed = JSON.parse(skipped);
  } catch {
    throw damaged(path, 'its skip list is not JSON');
  }
  const isList = Array.isArray(parsed) && parsed.every(isSkippedKey);
  if (!isList) throw damaged(path, 'its skip list is not a list of sha256 and reason');
  return parsed as SkippedKey[];
}

function isSkippedKey(value: unknown): value is SkippedKey {
  const { sha256, reason } = (value ?? {}) as Partial<SkippedKey>;
  return typeof sha256 === 'string' && /^[0-9a-f]{64}$/.test(sha256) && typeof reason === 'string';
}

function shardName(storeKey: string, keys: Uint8Array, skipped: string): string {
  const hash = createHash('sha256').update(storeKey).update(keys).update(skipped);
  return `${hash.digest('hex').slice(0, 32)}${shardExtension}`;
}

function checksumOf(features: Uint8Array, keys: Uint8Array): string {
  return createHash('sha256').update(features).update(keys).digest('hex');
}

function asBytes(data: Float32Array | Uint16Array): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

async function readAt(file: FileHandle, position: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length;) {
    const { bytesRead } = await file.read(bytes, done, length - done, position + done);
    // Another process may replace the file, never shorten it: a short read is a damaged disk or a foreign hand.
    if (bytesRead === 0) throw new GraftError('INVALID_CACHE', 'The shard ended while it was being read.');
    done += bytesRead;
  }
  return bytes;
}

/** Whether what reading a shard failed with says that it is damaged, rather than that it cannot be read: a disk, a permission. */
export function tellsDamage(error: unknown): boolean {
  return error instanceof GraftError || systemErrorCode(error) === 'EISDIR';
}

function damaged(path: string, reason: string): GraftError {
  return new GraftError('INVALID_CACHE', `${path} is not a whole shard of this store: ${reason}.`);
}
