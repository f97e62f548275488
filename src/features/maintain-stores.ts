/** Looking after the stores of a cache folder: what is there, whether it is whole, and what may go. */
import { readdir, readFile, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { GraftError, messageOf, systemErrorCode, unreadable, unwritable } from '../errors.js';
import type { FeatureDType } from './feature-key.js';
import { descriptionFile } from './feature-store.js';
import { keyBytes } from './key-index.js';
import { decodeShard, readShardIndex, type ShardFormat, shardExtension } from './shard.js';

/** What `store.json` says. */
export interface StoreDescription {
  readonly dim: number;
  readonly dtype: FeatureDType;
  readonly backboneSha256: string;
  readonly layer: string;
  readonly pool: string;
  readonly view: string;
}

export interface StoreSummary {
  readonly folder: string;
  readonly key: string;
  /** undefined where `store.json` is missing or damaged. */
  readonly description: StoreDescription | undefined;
  readonly shards: number;
  /** By the shards' indices; rows that two shards share count twice. */
  readonly rows: number;
  readonly skipped: number;
  /** Shards that cannot be read and files set aside as damaged earlier. */
  readonly damaged: number;
  /** Of all files in the folder. */
  readonly sizeBytes: number;
  /** When the newest file was written. */
  readonly modified: Date;
}

export interface StoreVerification {
  readonly folder: string;
  readonly shards: number;
  readonly rows: number;
  readonly damaged: readonly { readonly file: string; readonly reason: string }[];
}

export interface PruneOptions {
  /** Only stores whose key starts with one of these (at least 4 digits); default: any. */
  readonly keys?: readonly string[];
  /** Only stores that nothing was written to for so long. */
  readonly olderThanDays?: number;
  /** Remove only what is set aside as damaged, and keep the stores. */
  readonly damagedOnly?: boolean;
  /** Say what would go, and remove nothing. */
  readonly dryRun?: boolean;
}

export interface PruneResult {
  readonly removed: readonly string[];
  readonly freedBytes: number;
}

const setAside = `${shardExtension}.damaged`;

/** Every store of the folder, by key; none where the folder does not exist. Reads shard indices, not features. */
export async function listStores(cacheFolder: string): Promise<StoreSummary[]> {
  const summaries: StoreSummary[] = [];
  for (const entry of (await entriesOf(cacheFolder)).sort()) {
    if (/^[0-9a-f]{64}$/.test(entry)) summaries.push(await summarise(path.join(cacheFolder, entry), entry));
  }
  return summaries;
}

/**
 * Reads every byte of a store and checks it; changes nothing.
 * @throws GraftError INVALID_CACHE where the folder is not a store.
 */
export async function verifyStore(folder: string): Promise<StoreVerification> {
  const key = path.basename(path.resolve(folder));
  const description = await readDescription(folder);
  if (!description) {
    throw new GraftError(
      'INVALID_CACHE',
      `${folder} is not a feature store: expected a readable ${descriptionFile} in it (graft cache ls lists stores).`,
    );
  }
  const damaged: { file: string; reason: string }[] = [];
  let shards = 0;
  let rows = 0;
  for (const name of (await entriesOf(folder)).sort()) {
    const file = path.join(folder, name);
    if (name.endsWith(setAside)) damaged.push({ file, reason: 'It was set aside as damaged earlier.' });
    if (!isShard(name)) continue;
    try {
      const { keys } = decodeShard(await readFile(file), name, shardFormat(key, description), file);
      shards++;
      rows += keys.length / keyBytes;
    } catch (error) {
      damaged.push({ file, reason: messageOf(error) });
    }
  }
  return { folder, shards, rows, damaged };
}

/**
 * Removes stores, or what is damaged in them. Rows can always be computed again; nothing else is lost.
 * @throws GraftError FILE_UNWRITABLE.
 */
export async function pruneStores(cacheFolder: string, options: PruneOptions = {}): Promise<PruneResult> {
  const { keys, olderThanDays = 0, damagedOnly = false, dryRun = false } = options;
  const newest = Date.now() - olderThanDays * 86_400_000;
  const removed: string[] = [];
  let freedBytes = 0;
  for (const { folder, key, modified, sizeBytes } of await listStores(cacheFolder)) {
    const isMeant = !keys || keys.some((start) => start.length >= 4 && key.startsWith(start));
    if (!isMeant || modified.getTime() > newest) continue;
    if (damagedOnly) {
      for (const { file } of await damagedFiles(folder)) {
        freedBytes += (await stat(file)).size;
        if (!dryRun) await remove(file);
        removed.push(file);
      }
    } else {
      if (!dryRun) await remove(folder);
      freedBytes += sizeBytes;
      removed.push(folder);
    }
  }
  return { removed, freedBytes };
}

async function damagedFiles(folder: string): Promise<readonly { readonly file: string }[]> {
  if (await readDescription(folder)) return (await verifyStore(folder)).damaged;
  return (await entriesOf(folder))
    .filter((name) => name.endsWith(setAside))
    .map((name) => ({ file: path.join(folder, name) }));
}

async function summarise(folder: string, key: string): Promise<StoreSummary> {
  const description = await readDescription(folder);
  const summary = { shards: 0, rows: 0, skipped: 0, damaged: 0, sizeBytes: 0 };
  let newest = 0;
  for (const name of await entriesOf(folder)) {
    const file = path.join(folder, name);
    const info = await stat(file).catch(() => undefined);
    if (!info) continue;
    summary.sizeBytes += info.size;
    newest = Math.max(newest, info.mtimeMs);
    if (name.endsWith(setAside)) summary.damaged++;
    if (!isShard(name) || !description) continue;
    try {
      const { keys, skipped } = await readShardIndex(file, name, shardFormat(key, description));
      summary.shards++;
      summary.rows += keys.length / keyBytes;
      summary.skipped += skipped.length;
    } catch {
      summary.damaged++;
    }
  }
  return { folder, key, description, ...summary, modified: new Date(newest) };
}

async function readDescription(folder: string): Promise<StoreDescription | undefined> {
  let parsed: Partial<Record<keyof StoreDescription | 'format', unknown>>;
  try {
    parsed = JSON.parse(await readFile(path.join(folder, descriptionFile), 'utf8')) as typeof parsed;
  } catch {
    return undefined;
  }
  const isDescription =
    parsed?.format === 'graft features' &&
    Number.isSafeInteger(parsed.dim) &&
    (parsed.dtype === 'float32' || parsed.dtype === 'float16') &&
    [parsed.backboneSha256, parsed.layer, parsed.pool, parsed.view].every((text) => typeof text === 'string');
  return isDescription ? (parsed as StoreDescription) : undefined;
}

function shardFormat(storeKey: string, { dim, dtype }: StoreDescription): ShardFormat {
  return { storeKey, dim, dtype };
}

function isShard(name: string): boolean {
  return name.endsWith(shardExtension) && !name.startsWith('.');
}

async function entriesOf(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw unreadable(folder, error);
  }
}

async function remove(target: string): Promise<void> {
  try {
    await rm(target, { recursive: true, force: true });
  } catch (error) {
    throw unwritable(target, error);
  }
}
