/**
 * A folder `<cache>/<key>/` of feature rows, one row per sha256 of an example's bytes. `store.json` says for people what
 * it holds; shards hold the rows. A shard is whole or absent, so any number of processes may read and write one store.
 * What is damaged is set aside (renamed to `.damaged`) with a warning and counts as missing: a row is right or not there.
 */
import { readdir, readFile, rename } from 'node:fs/promises';
import path from 'node:path';
import { GraftError, invalidArgument, systemErrorCode, unreadable } from '../errors.js';
import { type Logger, silentLogger } from '../logger.js';
import { descriptionFile, encodeDescription } from './store-description.js';
import { inFolder, removeStaleTemporaries, writeDurably } from '../write-durably.js';
import type { InputIdentity } from '../models/identify-input.js';
import { type FeatureSettings, featureKey } from './feature-key.js';
import { KeyIndex, keyBytes } from './key-index.js';
import {
  decodeShard,
  encodeShard,
  readShardIndex,
  type ShardContent,
  type ShardFormat,
  type ShardIndex,
  shardExtension,
  tellsDamage,
} from './shard.js';

const concurrentReads = 16;

export type StoreOptions = Omit<FeatureSettings, 'view' | 'dtype'> &
  Partial<Pick<FeatureSettings, 'view' | 'dtype'>> &
  InputIdentity & {
    /** Values in a row. */
    readonly dim: number;
  };

/** Where the row of a key is, or why there is none and will be none. */
export type Found =
  | { readonly kind: 'row'; readonly shard: string; readonly row: number }
  | { readonly kind: 'skipped'; readonly reason: string };

/** Set in place of a row number: the example was skipped, the rest is the number of the reason. */
const skippedBit = 0x80000000;

interface Shard {
  readonly name: string;
  /** False once it was found damaged. */
  isUsable: boolean;
  isVerified: boolean;
  readonly reasons: readonly string[];
}

export class FeatureStore {
  readonly folder: string;
  readonly format: ShardFormat;
  readonly #logger: Logger;
  readonly #index = new KeyIndex();
  /** Shard and row of each key of the index. */
  #shardOf = new Uint32Array(256);
  #rowOf = new Uint32Array(256);
  readonly #shards: Shard[] = [];
  readonly #known = new Map<string, Shard>();

  /**
   * Opens the store of this source, made where there is none, and reads the keys of its shards.
   * @throws GraftError FILE_UNWRITABLE or FILE_UNREADABLE where the cache folder cannot be used.
   */
  static async open(
    cacheFolder: string,
    { dim, view = 'original', dtype = 'float32', ...rest }: StoreOptions,
    logger: Logger = silentLogger,
  ): Promise<FeatureStore> {
    if (!Number.isSafeInteger(dim) || dim < 1) throw invalidArgument('dim', 'a whole number above 0', dim);
    const source = { ...rest, view, dtype };
    const storeKey = featureKey(source);
    const store = new FeatureStore(path.join(cacheFolder, storeKey), { storeKey, dim, dtype }, logger);
    await inFolder(store.folder, async () => {
      await removeStaleTemporaries(store.folder).catch((error) => {
        throw unreadable(store.folder, error);
      });
      const description = encodeDescription({ dim, ...source });
      const file = path.join(store.folder, descriptionFile);
      const present = await readFile(file, 'utf8').catch(() => undefined);
      if (present !== description) await writeDurably(file, description);
    });
    await store.refresh();
    return store;
  }

  private constructor(folder: string, format: ShardFormat, logger: Logger) {
    this.folder = folder;
    this.format = format;
    this.#logger = logger;
  }

  get dim(): number {
    return this.format.dim;
  }

  /** The row of the key that starts at `offset` of `keys`; undefined where it must be computed. */
  find(keys: Uint8Array, offset = 0): Found | undefined {
    const ordinal = this.#index.find(keys, offset);
    if (ordinal < 0) return undefined;
    const shard = this.#shards[this.#shardOf[ordinal]!]!;
    if (!shard.isUsable) return undefined;
    const row = this.#rowOf[ordinal]!;
    return row & skippedBit
      ? { kind: 'skipped', reason: shard.reasons[row & ~skippedBit]! }
      : { kind: 'row', shard: shard.name, row };
  }

  /** As `find`, but a row counts only after its whole shard was read and its checksum matched (once a shard). */
  async findVerified(keys: Uint8Array, offset = 0): Promise<Found | undefined> {
    for (;;) {
      const found = this.find(keys, offset);
      if (found?.kind !== 'row' || this.#known.get(found.shard)!.isVerified) return found;
      if (await this.readShard(found.shard)) return found;
      // Set aside just now: look again, the key is missing or in another shard.
    }
  }

  /** Keys of all rows, uint8 [n, 32], shard by shard in the order of their names. */
  rowKeys(): Uint8Array {
    const rows: { readonly shard: string; readonly row: number; readonly ordinal: number }[] = [];
    const { keys } = this.#index;
    for (let ordinal = 0; ordinal < this.#index.size; ordinal++) {
      const found = this.find(keys, ordinal * keyBytes);
      if (found?.kind === 'row') rows.push({ ...found, ordinal });
    }
    rows.sort((a, b) => (a.shard < b.shard ? -1 : a.shard > b.shard ? 1 : a.row - b.row));
    const sorted = new Uint8Array(rows.length * keyBytes);
    for (const [i, { ordinal }] of rows.entries()) {
      sorted.set(keys.subarray(ordinal * keyBytes, (ordinal + 1) * keyBytes), i * keyBytes);
    }
    return sorted;
  }

  /** Takes in shards that were written since the last look, by this process or another. */
  async refresh(): Promise<void> {
    let names: string[];
    try {
      names = (await readdir(this.folder)).filter(
        (name) => name.endsWith(shardExtension) && !name.startsWith('.'),
      );
    } catch (error) {
      throw unreadable(this.folder, error);
    }
    const fresh = names.filter((name) => !this.#known.has(name)).sort();
    // In the order of names, so that which of two equal rows counts does not depend on the disk.
    for (let i = 0; i < fresh.length; i += concurrentReads) {
      const chunk = fresh.slice(i, i + concurrentReads);
      const indices = await Promise.all(chunk.map((name) => this.#readIndex(name)));
      for (const [j, index] of indices.entries()) if (index) this.#take(chunk[j]!, index, false);
    }
  }

  /**
   * Writes one shard and takes it in; nothing to write gives no file.
   * @throws GraftError FILE_UNWRITABLE.
   */
  async addShard(content: ShardContent): Promise<void> {
    if (content.keys.length === 0 && content.skipped.length === 0) return;
    const { name, bytes } = encodeShard(content, this.format);
    await writeDurably(path.join(this.folder, name), bytes);
    this.#take(name, content, true);
  }

  /**
   * The features of a shard, [n, dim] as stored, checked; undefined where it was damaged and is now set aside.
   * @throws GraftError FILE_UNREADABLE for a failing disk or missing permission.
   */
  async readShard(name: string): Promise<Float32Array | Uint16Array | undefined> {
    const file = path.join(this.folder, name);
    try {
      const { features } = decodeShard(await readFile(file), name, this.format, file);
      this.#known.get(name)!.isVerified = true;
      return features;
    } catch (error) {
      await this.#setAside(name, error);
      return undefined;
    }
  }

  async #readIndex(name: string): Promise<ShardIndex | undefined> {
    try {
      return await readShardIndex(path.join(this.folder, name), name, this.format);
    } catch (error) {
      await this.#setAside(name, error);
      return undefined;
    }
  }

  #take(name: string, { keys, skipped }: ShardIndex, isVerified: boolean): void {
    const former = this.#known.get(name);
    if (former?.isUsable) return;
    const shard: Shard = { name, isUsable: true, isVerified, reasons: skipped.map(({ reason }) => reason) };
    const number = this.#shards.push(shard) - 1;
    this.#known.set(name, shard);
    for (let row = 0; row < keys.length / keyBytes; row++) this.#place(keys, row * keyBytes, number, row);
    for (const [i, { sha256 }] of skipped.entries()) {
      this.#place(Buffer.from(sha256, 'hex'), 0, number, (i | skippedBit) >>> 0);
    }
  }

  /** The first shard that holds a key keeps it, unless that shard turned out damaged. */
  #place(keys: Uint8Array, offset: number, shard: number, row: number): void {
    const isKnown = this.find(keys, offset) !== undefined;
    if (isKnown) return;
    const ordinal = this.#index.add(keys, offset);
    if (ordinal >= this.#shardOf.length) {
      this.#shardOf = grown(this.#shardOf);
      this.#rowOf = grown(this.#rowOf);
    }
    this.#shardOf[ordinal] = shard;
    this.#rowOf[ordinal] = row;
  }

  async #setAside(name: string, cause: unknown): Promise<void> {
    const file = path.join(this.folder, name);
    const shard = this.#known.get(name);
    if (shard) shard.isUsable = false;
    const isGone = systemErrorCode(cause) === 'ENOENT';
    if (!isGone && !tellsDamage(cause)) throw unreadable(file, cause);
    const reason =
      cause instanceof GraftError ? cause.message : `${file} is ${isGone ? 'gone' : 'a folder'}.`;
    this.#logger.warn(`${reason} It is set aside; its rows are computed again.`);
    // Read-only caches keep the file; it is not used either way. Another process may have been faster.
    await rename(file, `${file}.damaged`).catch(() => {});
    this.#known.delete(name);
  }
}

function grown(array: Uint32Array): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(array.length * 2);
  larger.set(array);
  return larger;
}
