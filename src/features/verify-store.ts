/** Whether every byte of a store is as it was written, and how to get rid of what is not. */
import { readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { GraftError, messageOf, systemErrorCode, unreadable, unwritable } from '../errors.js';
import { keyBytes } from './key-index.js';
import { entriesOf, isShard, setAsideExtension } from './list-stores.js';
import { decodeShard, tellsDamage } from './shard.js';
import { descriptionFile, readDescription } from './store-description.js';

export interface StoreVerification {
  readonly folder: string;
  /** Whole shards and their rows. */
  readonly shards: number;
  readonly rows: number;
  readonly damaged: readonly DamagedFile[];
  /** What could not be read (a permission, the disk), so that nobody knows whether it is whole. */
  readonly unreadable: readonly DamagedFile[];
}

export interface DamagedFile {
  readonly file: string;
  readonly reason: string;
}

/**
 * Reads every byte of a store and checks it; changes nothing. Where `store.json` is damaged, the shards cannot be judged
 * and are left to the next run, which writes it anew.
 * @throws GraftError INVALID_CACHE where the folder is not a store, INTERRUPTED by `signal`.
 */
export async function verifyStore(folder: string, signal?: AbortSignal): Promise<StoreVerification> {
  const storeKey = path.basename(path.resolve(folder));
  const names = (await entriesOf(folder)).sort();
  if (!/^[0-9a-f]{64}$/.test(storeKey) || names.length === 0) {
    throw new GraftError(
      'INVALID_CACHE',
      `${folder} is not a feature store: expected a folder named by 64 hex digits that is not empty (graft cache ls lists stores).`,
    );
  }
  const description = await readDescription(folder);
  const damaged: DamagedFile[] = [];
  const unread: DamagedFile[] = [];
  if (!description) {
    const file = path.join(folder, descriptionFile);
    damaged.push({ file, reason: `${file} is missing or damaged.` });
  }
  let shards = 0;
  let rows = 0;
  for (const name of names) {
    if (signal?.aborted) throw new GraftError('INTERRUPTED', `Interrupted while verifying ${folder}.`);
    const file = path.join(folder, name);
    if (name.endsWith(setAsideExtension)) {
      damaged.push({ file, reason: `${file} was set aside as damaged earlier.` });
    }
    if (!isShard(name) || !description) continue;
    try {
      const { dim, dtype } = description;
      const { keys } = decodeShard(await readFile(file), name, { storeKey, dim, dtype }, file);
      shards++;
      rows += keys.length / keyBytes;
    } catch (error) {
      if (tellsDamage(error)) damaged.push({ file, reason: messageOf(error) });
      // What is gone, another process has removed meanwhile.
      else if (systemErrorCode(error) !== 'ENOENT')
        unread.push({ file, reason: unreadable(file, error).message });
    }
  }
  return { folder, shards, rows, damaged, unreadable: unread };
}

/**
 * Removes damaged files: the next run computes their rows again, and only those.
 * @returns the files. @throws GraftError FILE_UNWRITABLE.
 */
export async function removeDamaged({ damaged }: StoreVerification): Promise<string[]> {
  for (const { file } of damaged) await removeEntry(file);
  return damaged.map(({ file }) => file);
}

/** @throws GraftError FILE_UNWRITABLE. */
export async function removeEntry(target: string): Promise<void> {
  try {
    await rm(target, { recursive: true, force: true });
  } catch (error) {
    throw unwritable(target, error);
  }
}
