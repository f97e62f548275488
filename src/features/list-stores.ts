/** The stores of a cache folder: what they hold, how large and how old they are, and how often they served. */
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { systemErrorCode, unreadable } from '../errors.js';
import { keyBytes } from './key-index.js';
import { readShardIndex, shardExtension } from './shard.js';
import { readDescription, type StoreDescription } from './store-description.js';
import { readUsage, type Usage } from './usage-log.js';

export interface StoreSummary {
  readonly folder: string;
  readonly key: string;
  /** undefined where `store.json` is missing or damaged. */
  readonly description: StoreDescription | undefined;
  readonly shards: number;
  /** By the shards' indices; rows that two shards share count twice. */
  readonly rows: number;
  /** Examples that no features could be made from. */
  readonly skipped: number;
  /** Shards that cannot be read, and files set aside as damaged earlier. */
  readonly damaged: number;
  /** Of all files in the folder. */
  readonly sizeBytes: number;
  /** When the newest file was written. */
  readonly modified: Date;
  /** When a run last asked for its rows, or wrote some. */
  readonly lastUsed: Date;
  /** The latest recorded runs, oldest first. */
  readonly usage: readonly Usage[];
}

/** What a damaged shard is renamed to. */
export const setAsideExtension = `${shardExtension}.damaged`;

/** Every store of the folder, by key; none where the folder does not exist. Reads shard indices, not features. */
export async function listStores(cacheFolder: string): Promise<StoreSummary[]> {
  const summaries: StoreSummary[] = [];
  for (const entry of (await entriesOf(cacheFolder)).sort()) {
    if (/^[0-9a-f]{64}$/.test(entry)) summaries.push(await summarise(cacheFolder, entry));
  }
  return summaries;
}

async function summarise(cacheFolder: string, key: string): Promise<StoreSummary> {
  const folder = path.join(cacheFolder, key);
  const description = await readDescription(folder);
  const counts = { shards: 0, rows: 0, skipped: 0, damaged: 0, sizeBytes: 0 };
  let newest = 0;
  for (const name of await entriesOf(folder)) {
    const file = path.join(folder, name);
    const info = await stat(file).catch(() => undefined);
    if (!info) continue;
    counts.sizeBytes += info.size;
    newest = Math.max(newest, info.mtimeMs);
    if (name.endsWith(setAsideExtension)) counts.damaged++;
    if (!isShard(name) || !description) continue;
    const { dim, dtype } = description;
    try {
      const { keys, skipped } = await readShardIndex(file, name, { storeKey: key, dim, dtype });
      counts.shards++;
      counts.rows += keys.length / keyBytes;
      counts.skipped += skipped.length;
    } catch {
      counts.damaged++;
    }
  }
  const usage = await readUsage(cacheFolder, key);
  const lastUsed = Math.max(newest, ...usage.slice(-1).map(({ at }) => Date.parse(at)));
  return {
    folder,
    key,
    description,
    ...counts,
    modified: new Date(newest),
    lastUsed: new Date(lastUsed),
    usage,
  };
}

export function isShard(name: string): boolean {
  return name.endsWith(shardExtension) && !name.startsWith('.');
}

/** Names in a folder; none where it does not exist. @throws GraftError FILE_UNREADABLE. */
export async function entriesOf(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw unreadable(folder, error);
  }
}
