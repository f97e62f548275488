/** `graft cache ls | stats | verify | prune`. */
import { statfs } from 'node:fs/promises';
import path from 'node:path';
import { GraftError } from '../errors.js';
import { listStores, type StoreSummary } from '../features/list-stores.js';
import { choosePruned, findOldMemos, type PruneRules, removeStores } from '../features/prune-stores.js';
import { type DamagedFile, removeDamaged, removeEntry, verifyStore } from '../features/verify-store.js';
import type { Hooks } from './cache-features.js';
import { featuresFolder } from './cache-folder.js';
import { type CachedStore, commandFor, describeStore, shareOf } from './describe-store.js';

export interface CacheMaintenanceOptions {
  /** The cache folder; default as everywhere. */
  readonly cache?: string | undefined;
  /** First digits of the keys of the stores that are meant; default: all. */
  readonly stores?: readonly string[] | undefined;
}

export interface CacheList {
  readonly cache: string;
  readonly stores: readonly CachedStore[];
}

export interface CacheStats {
  readonly cache: string;
  readonly stores: number;
  readonly shards: number;
  readonly rows: number;
  readonly damaged: number;
  readonly sizeBytes: number;
  /** What the disk still has; null where the system does not say. */
  readonly freeBytes: number | null;
  readonly runs: number;
  readonly cached: number;
  readonly computed: number;
  readonly hitRate: number | null;
  /** Seconds that the cached rows would have taken at the rate of the computed ones; null where nothing was computed. */
  readonly savedSeconds: number | null;
}

export interface CacheVerification {
  readonly cache: string;
  readonly stores: readonly {
    readonly key: string;
    readonly folder: string;
    readonly shards: number;
    readonly rows: number;
    readonly damaged: readonly DamagedFile[];
    /** Files that could not be read; --repair leaves them. */
    readonly unreadable: readonly DamagedFile[];
    /** What computes the lost rows again; null where no run was recorded. */
    readonly remedy: string | null;
  }[];
  readonly damaged: number;
  readonly unreadable: number;
  /** Files that --repair removed. */
  readonly removed: readonly string[];
}

export interface PruneReport {
  readonly cache: string;
  readonly dryRun: boolean;
  readonly removed: readonly CachedStore[];
  /** Memos of file hashes that went too. */
  readonly memos: readonly string[];
  readonly freedBytes: number;
  readonly keptBytes: number;
}

export async function listCache(options: CacheMaintenanceOptions): Promise<CacheList> {
  const cache = featuresFolder(options.cache);
  return { cache, stores: (await meantStores(cache, options)).map(describeStore) };
}

export async function cacheStats(options: CacheMaintenanceOptions): Promise<CacheStats> {
  const cache = featuresFolder(options.cache);
  const stores = await meantStores(cache, options);
  const sum = (count: (store: StoreSummary) => number) =>
    stores.reduce((total, store) => total + count(store), 0);
  const runs = stores.flatMap(({ usage }) => usage);
  const cached = runs.reduce((total, run) => total + run.cached, 0);
  const computed = runs.reduce((total, run) => total + run.computed, 0);
  const computing = runs.reduce((total, run) => total + (run.computed > 0 ? run.seconds : 0), 0);
  const disk = await statfs(cache).catch(() => undefined);
  return {
    cache,
    stores: stores.length,
    shards: sum(({ shards }) => shards),
    rows: sum(({ rows }) => rows),
    damaged: sum(({ damaged }) => damaged),
    sizeBytes: sum(({ sizeBytes }) => sizeBytes),
    freeBytes: disk ? disk.bavail * disk.bsize : null,
    runs: runs.length,
    cached,
    computed,
    hitRate: shareOf(cached, computed),
    savedSeconds: computed > 0 ? (cached * computing) / computed : null,
  };
}

/** Reads every byte. With `repair`, damaged files are removed, so that the next run computes their rows again. */
export async function verifyCache(
  options: CacheMaintenanceOptions & { readonly repair?: boolean | undefined },
  { signal }: Hooks = {},
): Promise<CacheVerification> {
  const cache = featuresFolder(options.cache);
  const stores: CacheVerification['stores'][number][] = [];
  const removed: string[] = [];
  for (const store of await meantStores(cache, options)) {
    const verification = await verifyStore(store.folder, signal);
    if (options.repair) removed.push(...(await removeDamaged(verification)));
    stores.push({ key: store.key, ...verification, remedy: commandFor(store) });
  }
  const count = (kind: 'damaged' | 'unreadable') =>
    stores.reduce((sum, store) => sum + store[kind].length, 0);
  return { cache, stores, damaged: count('damaged'), unreadable: count('unreadable'), removed };
}

/**
 * Removes stores by the rules; without `yes` only says what would go.
 * @throws GraftError USAGE where neither a rule nor a store is named: nobody should lose a whole cache by one word.
 */
export async function pruneCache(
  options: CacheMaintenanceOptions & PruneRules & { readonly yes?: boolean | undefined },
): Promise<PruneReport> {
  const { stores: named = [], olderThanDays, maxBytes, keep, yes = false } = options;
  if (named.length === 0 && [olderThanDays, maxBytes, keep].every((rule) => rule === undefined)) {
    throw new GraftError(
      'USAGE',
      'Say what may go: stores by the first digits of their keys, --older-than DAYS, --max-size SIZE or --keep N.',
    );
  }
  const cache = featuresFolder(options.cache);
  const stores = await meantStores(cache, options);
  const chosen = choosePruned(stores, { olderThanDays, maxBytes, keep });
  const memos =
    olderThanDays === undefined || named.length > 0 ? [] : await findOldMemos(cache, olderThanDays);
  if (yes) {
    await removeStores(chosen);
    for (const memo of memos) await removeEntry(memo);
  }
  const bytes = (list: readonly StoreSummary[]) => list.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const freedBytes = bytes(chosen);
  return {
    cache,
    dryRun: !yes,
    removed: chosen.map(describeStore),
    memos,
    freedBytes,
    keptBytes: bytes(stores) - freedBytes,
  };
}

/** The folder of the one store whose key starts so. @throws GraftError INVALID_CACHE where there is none, or more than one. */
export async function findStore(cache: string, start: string): Promise<string> {
  const [store, ...others] = await meantStores(cache, { stores: [start] });
  if (others.length === 0) return store!.folder;
  throw new GraftError(
    'INVALID_CACHE',
    `${others.length + 1} stores of ${cache} start with ${start}; give more digits.`,
  );
}

async function meantStores(
  cache: string,
  { stores: named = [] }: CacheMaintenanceOptions,
): Promise<StoreSummary[]> {
  const all = await listStores(cache);
  if (named.length === 0) return all;
  for (const start of named) {
    // A path is taken too: it is what `graft cache` prints.
    const isKnown = all.some((store) => isMeant(store, start));
    if (!isKnown) {
      throw new GraftError(
        'INVALID_CACHE',
        `Expected the first digits (4 or more) of the key of a store in ${cache} but none starts with ${JSON.stringify(start)}; graft cache ls lists them.`,
      );
    }
  }
  return all.filter((store) => named.some((start) => isMeant(store, start)));
}

function isMeant({ key, folder }: StoreSummary, start: string): boolean {
  return (start.length >= 4 && key.startsWith(start)) || path.resolve(start) === folder;
}
