/** Files that several processes may write and none may see half: temporary file, fsync, rename, fsync of the folder. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readlinkSync, statSync } from 'node:fs';
import { type FileHandle, open, readdir, rename, rm, rmdir, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import path from 'node:path';
import { systemErrorCode, unwritable } from './errors.js';

/** `.NAME.HOST.PID.RANDOM.tmp`, so that what a dead process left can be told from what a live one is writing. */
const temporaryName = /^\..+\.([^.]*)\.(\d+)\.[0-9a-f]{8}\.tmp$/;
/** Containers may share a host's name and a disk but not its processes: the process namespace tells them apart. */
export const writerHost = `${hostname().replaceAll('.', '-').slice(0, 48)}-${processNamespace()}`;
/** Names end at 255 bytes, and a character of the target's name may take four. */
const longestStem = 32;
/** Long after any live writer, also one on another machine whose process we cannot see, has finished a file. */
const abandonedAfterMs = 24 * 3600 * 1000;
const ours = new Set<string>();

/** A file being written under a temporary name beside its place. Ends with `commit` or `discard`. */
export interface StagedFile {
  readonly handle: FileHandle;
  /** Syncs the content and puts it in place, where it replaces what was there in one step. */
  commit(): Promise<void>;
  /** Removes what was written; what stood there before is untouched. Does nothing after `commit`. */
  discard(): Promise<void>;
}

/**
 * A device or a pipe is refused: the rename would put a file in its place, of /dev/null too.
 * @throws GraftError FILE_UNWRITABLE, as `commit` does; a failed write through the handle is the caller's to turn into one.
 */
export async function stageFile(file: string): Promise<StagedFile> {
  const there = await stat(file).catch(() => undefined);
  if (there?.isDirectory()) throw unwritable(file, Object.assign(new Error('a folder'), { code: 'EISDIR' }));
  if (there && !there.isFile()) throw unwritable(file, new Error('it is a device or a pipe; name a file'));
  const folder = path.dirname(file);
  const stem = [...path.basename(file)].slice(0, longestStem).join('');
  const name = `.${stem}.${writerHost}.${process.pid}.${randomBytes(4).toString('hex')}.tmp`;
  const temporary = path.join(folder, name);
  ours.add(name);
  let handle: FileHandle;
  try {
    handle = await open(temporary, 'wx');
  } catch (error) {
    ours.delete(name);
    throw unwritable(file, error);
  }
  let isOpen = true;
  const close = async (): Promise<void> => {
    if (isOpen) await handle.close();
    isOpen = false;
  };
  const discard = async (): Promise<void> => {
    if (!ours.has(name)) return;
    await close().catch(() => {});
    await rm(temporary, { force: true }).catch(() => {});
    ours.delete(name);
  };
  const commit = async (): Promise<void> => {
    try {
      await handle.sync();
      await close();
      await rename(temporary, file);
      ours.delete(name);
      await syncFolder(folder);
    } catch (error) {
      await discard();
      throw unwritable(file, error);
    }
  };
  return { handle, commit, discard };
}

/** `content` on the disk beside `file`: its `commit` needs no more room. @throws GraftError FILE_UNWRITABLE, with nothing left */
export async function stageContent(file: string, content: Uint8Array | string): Promise<StagedFile> {
  const staged = await stageFile(file);
  try {
    await staged.handle.writeFile(content);
    await staged.handle.sync();
    return staged;
  } catch (error) {
    await staged.discard();
    throw unwritable(file, error);
  }
}

/**
 * Puts `content` at `file`, wholly or not at all, and durably.
 * @throws GraftError FILE_UNWRITABLE; what stood there before is then untouched, and nothing of the failed write is left.
 */
export async function writeDurably(file: string, content: Uint8Array | string): Promise<void> {
  await (await stageContent(file, content)).commit();
}

/**
 * The same of what comes in pieces.
 * @param fill - calls `write` with one after another; what it throws itself is thrown on
 */
export async function writePieces(
  file: string,
  fill: (write: (piece: Uint8Array | string) => Promise<void>) => Promise<void>,
): Promise<void> {
  const staged = await stageFile(file);
  try {
    await fill(async (piece) => {
      await staged.handle.writeFile(piece).catch((error: unknown) => {
        throw unwritable(file, error);
      });
    });
    await staged.commit();
  } finally {
    await staged.discard();
  }
}

/**
 * That `writeDurably` could write `file`, found out before the work whose result it is; makes its folder.
 * @throws GraftError FILE_UNWRITABLE
 */
export async function assertWritable(file: string): Promise<void> {
  await makeFolder(path.dirname(file));
  await (await stageFile(file)).discard();
}

/**
 * Makes the folder and its parents, durably: what is synced in a folder is lost with the power all the same where the
 * folder's own name is not on the disk yet.
 * @returns the first one that was not there, or undefined
 * @throws GraftError FILE_UNWRITABLE.
 */
export async function makeFolder(folder: string): Promise<string | undefined> {
  try {
    const absolute = path.resolve(folder);
    const made = makeMissing(absolute);
    const first = made ?? absolute;
    // Also where it was there already: whoever made it may have been killed before it came to this.
    for (let at = absolute; at.length >= first.length; at = path.dirname(at)) {
      await syncFolder(path.dirname(at));
      if (at === path.dirname(at)) break;
    }
    return made;
  } catch (error) {
    throw unwritable(folder, error);
  }
}

/**
 * Makes the folder, as `makeFolder`, for what is written into it: where that fails, no folder is left that was made for it and
 * holds nothing.
 */
export async function inFolder<T>(folder: string, write: () => Promise<T>): Promise<T> {
  const made = await makeFolder(folder);
  try {
    return await write();
  } catch (error) {
    if (made !== undefined) await removeEmpty(path.resolve(folder), made);
    throw error;
  }
}

/** From the folder up to `first`, as far as nobody else has put anything there meanwhile. */
export async function removeEmpty(folder: string, first: string): Promise<void> {
  try {
    for (let at = folder; at.length >= first.length; at = path.dirname(at)) await rmdir(at);
  } catch {
    // Not empty any more.
  }
}

/**
 * The folder and its parents, as far as they are missing. Node's `recursive` never comes back where a folder cannot be
 * made though its parent is there, as in /proc.
 * @returns the first one that was made, or undefined
 * @throws the system's error
 */
export function makeMissing(folder: string): string | undefined {
  const parent = path.dirname(folder);
  let first: string | undefined;
  try {
    mkdirSync(folder);
    return folder;
  } catch (error) {
    if (isFolder(folder)) return undefined;
    if (systemErrorCode(error) !== 'ENOENT' || parent === folder) throw error;
    first = makeMissing(parent);
  }
  try {
    mkdirSync(folder);
  } catch (error) {
    // Another process may have made it meanwhile.
    if (!isFolder(folder)) throw error;
  }
  return first ?? folder;
}

const isFolder = (folder: string): boolean =>
  statSync(folder, { throwIfNoEntry: false })?.isDirectory() === true;

/** Removes temporary files whose writer is dead. */
export async function removeStaleTemporaries(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const match = temporaryName.exec(name);
    if (!match || ours.has(name)) continue;
    const file = path.join(folder, name);
    const isDead =
      match[1] === writerHost ? !isAlive(Number(match[2])) : await isOlderThan(file, abandonedAfterMs);
    if (isDead) await rm(file, { force: true }).catch(() => {});
  }
}

function processNamespace(): string {
  try {
    return /\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0] ?? '0';
  } catch {
    // Not Linux: no such containers.
    return '0';
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
