/** Removes stores that are no longer worth their disk. Rows can always be computed again; nothing else is lost. */
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { entriesOf, type StoreSummary } from './list-stores.js';
import { usageFile } from './usage-log.js';
import { removeEntry } from './verify-store.js';

/** Which stores go. Those that several rules name go once; with no rule, all that are offered go. */
export interface PruneRules {
  /** Those that no run asked for so long. */
  readonly olderThanDays?: number | undefined;
  /** Those that do not fit: the most recently used ones are kept that together take no more. */
  readonly maxBytes?: number | undefined;
  /** Never the so many most recently used. */
  readonly keep?: number | undefined;
}

/** Pure: the stores that the rules name, least recently used first. */
export function choosePruned(
  stores: readonly StoreSummary[],
  { olderThanDays, maxBytes, keep = 0 }: PruneRules,
  now = Date.now(),
): StoreSummary[] {
  const byUse = stores.toSorted(
    (a, b) => b.lastUsed.getTime() - a.lastUsed.getTime() || (a.key < b.key ? -1 : 1),
  );
  const goesAlways = olderThanDays === undefined && maxBytes === undefined;
  const oldest = now - (olderThanDays ?? 0) * 86_400_000;
  let keptBytes = 0;
  const chosen = byUse.filter(({ lastUsed, sizeBytes }, place) => {
    const isOld = olderThanDays !== undefined && lastUsed.getTime() < oldest;
    const isTooMuch = maxBytes !== undefined && keptBytes + sizeBytes > maxBytes;
    const goes = place >= keep && (goesAlways || isOld || isTooMuch);
    if (!goes) keptBytes += sizeBytes;
    return goes;
  });
  return chosen.reverse();
}

/** @throws GraftError FILE_UNWRITABLE. */
export async function removeStores(stores: readonly StoreSummary[]): Promise<void> {
  for (const { folder, key } of stores) {
    await removeEntry(folder);
    await removeEntry(usageFile(path.dirname(folder), key));
  }
}

/** Memos of the hashes of files (shortcuts, made anew when needed) that nothing was written to for so long. */
export async function findOldMemos(cacheFolder: string, olderThanDays: number): Promise<string[]> {
  const folder = path.join(cacheFolder, 'hashes');
  const old: string[] = [];
  for (const name of (await entriesOf(folder)).sort()) {
    const file = path.join(folder, name);
    const info = await stat(file).catch(() => undefined);
    if (info && Date.now() - info.mtimeMs > olderThanDays * 86_400_000) old.push(file);
  }
  return old;
}
