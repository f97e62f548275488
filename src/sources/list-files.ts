/** What a folder holds, links followed, loops not. */
import type { Dirent } from 'node:fs';
import { opendir, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { unreadable } from '../errors.js';

export interface FolderContent {
  /** Names, sorted by code units, so that the order is the same on every machine. Hidden ones are left out. */
  readonly folders: readonly string[];
  /** Everything else: files, and what only looks like one until it is opened. */
  readonly files: readonly string[];
}

/** @throws GraftError FILE_NOT_FOUND or FILE_UNREADABLE */
export async function readFolderContent(folder: string): Promise<FolderContent> {
  const folders: string[] = [];
  const files: string[] = [];
  try {
    // One entry at a time: a million of them as objects would take more memory than all that follows.
    for await (const entry of await opendir(folder, { bufferSize: 1024 })) {
      if (isHidden(entry.name)) continue;
      ((await isFolder(entry, folder)) ? folders : files).push(entry.name);
    }
  } catch (error) {
    throw unreadable(folder, error);
  }
  return { folders: folders.sort(), files: files.sort() };
}

/** Besides what a dot hides: what macOS packs beside the files of a zip, and what Synology's disks keep of images. */
export function isHidden(name: string): boolean {
  return name.startsWith('.') || name === '__MACOSX' || name === '@eaDir';
}

async function isFolder(entry: Dirent, folder: string): Promise<boolean> {
  if (entry.isDirectory()) return true;
  if (entry.isFile()) return false;
  const info = await stat(path.join(folder, entry.name)).catch(() => undefined);
  return info?.isDirectory() ?? false;
}

/**
 * Paths of all files at any depth below `folder`, a folder's files before those of the folders in it. A link to a folder
 * that was entered before, or that `folder` lies in, is not followed.
 */
export async function* listFiles(folder: string): AsyncGenerator<string> {
  const start = await realpath(folder).catch((error: unknown) => {
    throw unreadable(folder, error);
  });
  const entered = new Set<string>();
  async function* enter(current: string): AsyncGenerator<string> {
    const real = await realpath(current);
    const holdsStart = real !== start && start.startsWith(real.endsWith(path.sep) ? real : real + path.sep);
    if (holdsStart || entered.has(real)) return;
    entered.add(real);
    const { folders, files } = await readFolderContent(current);
    for (const name of files) yield path.join(current, name);
    for (const name of folders) yield* enter(path.join(current, name));
  }
  yield* enter(folder);
}
