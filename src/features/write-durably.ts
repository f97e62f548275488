/** Files that several processes may write and none may see half: temporary file, fsync, rename, fsync of the folder. */
import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import path from 'node:path';
import { unwritable } from '../errors.js';

/** `.NAME.HOST.PID.RANDOM.tmp`, so that what a dead process left can be told from what a live one is writing. */
const temporaryName = /^\..+\.([^.]*)\.(\d+)\.[0-9a-f]{8}\.tmp$/;
const host = hostname().replaceAll('.', '-');
/** Long after any live writer, also one on another machine whose process we cannot see, has finished a file. */
const abandonedAfterMs = 24 * 3600 * 1000;
const ours = new Set<string>();

/**
 * Puts `bytes` at `file`, wholly or not at all, and durably.
 * @throws GraftError FILE_UNWRITABLE; nothing of the failed write is left behind.
 */
export async function writeDurably(file: string, bytes: Uint8Array | string): Promise<void> {
  const folder = path.dirname(file);
  const name = `.${path.basename(file)}.${host}.${process.pid}.${randomBytes(4).toString('hex')}.tmp`;
  const temporary = path.join(folder, name);
  ours.add(name);
  try {
    const handle = await open(temporary, 'wx');
    try {
      await handle.writeFile(bytes);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
    await syncFolder(folder);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw unwritable(file, error);
  } finally {
    ours.delete(name);
  }
}

/** Makes the folder and its parents. @throws GraftError FILE_UNWRITABLE. */
export async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
  } catch (error) {
    throw unwritable(folder, error);
  }
}

/** Removes temporary files whose writer is dead. */
export async function removeStaleTemporaries(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const match = temporaryName.exec(name);
    if (!match || ours.has(name)) continue;
    const file = path.join(folder, name);
    const isDead = match[1] === host ? !isAlive(Number(match[2])) : await isOlderThan(file, abandonedAfterMs);
    if (isDead) await rm(file, { force: true }).catch(() => {});
  }
}

/** A process of our own number that is not us must be dead: numbers are given out again. */
function isAlive(pid: number): boolean {
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

async function isOlderThan(file: string, ageMs: number): Promise<boolean> {
  const info = await stat(file).catch(() => undefined);
  return info !== undefined && Date.now() - info.mtimeMs > ageMs;
}

/** Without this a rename may be lost with the power. Some systems cannot open folders; there is no other way there. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r').catch(() => undefined);
  if (!handle) return;
  try {
    await handle.sync();
  } catch {
    // EINVAL or EPERM: this file system does not sync folders.
  } finally {
    await handle.close();
  }
}
