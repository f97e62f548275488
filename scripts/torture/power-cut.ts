/**
 * What a disk may hold after the power failed, from the system calls of a run (strace): the strictest reading of POSIX.
 * - Bytes written since a file's last fsync may be there, be zeros or be missing.
 * - A name made, changed or removed since its folder's last fsync may or may not have been; in the order of the calls.
 * - A folder that is not on the disk takes everything below it along.
 * Files are written under a name of their own and renamed, so what they end as is what was written.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Rng } from '../../src/rng.js';

export type DiskEvent =
  | { readonly kind: 'folder' | 'create' | 'remove' | 'sync'; readonly path: string }
  | { readonly kind: 'write'; readonly path: string; readonly bytes: number }
  | { readonly kind: 'rename'; readonly path: string; readonly to: string };

export const tracedCalls = 'openat,write,pwrite64,fsync,fdatasync,rename,mkdir,unlink';

/** What `strace -f -y -s 0` told of calls that succeeded below `root`, in the order in which they came back. */
export function parseTrace(trace: string, root: string): DiskEvent[] {
  const begun = new Map<string, string>();
  const events: DiskEvent[] = [];
  for (const line of trace.split('\n')) {
    const [, thread = '', text = ''] = /^(\d+) +(.*)$/.exec(line) ?? [];
    const unfinished = /^(.*) <unfinished \.\.\.>$/.exec(text);
    if (unfinished) {
      begun.set(thread, unfinished[1]!);
      continue;
    }
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(text);
    const event = parseCall(resumed ? (begun.get(thread) ?? '') + resumed[1]! : text);
    if (event && `${event.path}/`.startsWith(`${root}/`)) events.push(event);
  }
  return events;
}

function parseCall(call: string): DiskEvent | undefined {
  const [, name, given = '', result] = /^(\w+)\((.*)\) += (\d+)/.exec(call) ?? [];
  const file = /^\d+<(.*?)>/.exec(given)?.[1] ?? '';
  const [first = '', second = ''] = Array.from(given.matchAll(/"((?:[^"\\]|\\.)*)"/g), ([, text]) => text!);
  switch (name) {
    case 'openat':
      return given.includes('O_CREAT') ? { kind: 'create', path: first } : undefined;
    case 'write':
    case 'pwrite64':
      return { kind: 'write', path: file, bytes: Number(result) };
    case 'fsync':
    case 'fdatasync':
      return { kind: 'sync', path: file };
    case 'rename':
      return { kind: 'rename', path: first, to: second };
    case 'mkdir':
      return { kind: 'folder', path: first };
    case 'unlink':
      return { kind: 'remove', path: first };
    default:
      return undefined;
  }
}

interface Inode {
  readonly content: Uint8Array;
  written: number;
  synced: number;
}

interface Folder {
  /** Names that survive for certain. */
  readonly durable: Map<string, Inode | Folder>;
  /** Changes of names since the last fsync. */
  pending: ((names: Map<string, Inode | Folder>) => void)[];
}

const isFolder = (entry: Inode | Folder): entry is Folder => 'durable' in entry;

export interface CutDisk {
  /** Files whose names are there, by their path below the root. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** Files that lost bytes. */
  readonly cut: number;
}

/**
 * One of the states that the disk may be in if the power fails after these calls.
 * @param contents - what each file finally held, by its path
 */
export function cutPower(
  events: readonly DiskEvent[],
  root: string,
  contents: ReadonlyMap<string, Uint8Array>,
  rng: Rng,
): CutDisk {
  const top: Folder = { durable: new Map(), pending: [] };
  /** As running programs saw it. */
  const seen = new Map<string, Inode | Folder>([[root, top]]);
  const folderOf = (file: string): Folder => seen.get(path.dirname(file)) as Folder;
  for (const event of events) {
    const entry = seen.get(event.path);
    const name = path.basename(event.path);
    switch (event.kind) {
      case 'folder':
      case 'create': {
        if (event.path === root) break;
        const made: Inode | Folder =
          event.kind === 'folder'
            ? { durable: new Map(), pending: [] }
            : { content: contents.get(event.path) ?? new Uint8Array(), written: 0, synced: 0 };
        seen.set(event.path, made);
        folderOf(event.path).pending.push((names) => names.set(name, made));
        break;
      }
      case 'write':
        if (entry && !isFolder(entry)) entry.written += event.bytes;
        break;
      case 'sync':
        if (!entry) break;
        if (isFolder(entry)) {
          for (const change of entry.pending) change(entry.durable);
          entry.pending = [];
        } else entry.synced = entry.written;
        break;
      case 'rename': {
        if (!entry) break;
        seen.delete(event.path);
        seen.set(event.to, entry);
        const to = path.basename(event.to);
        folderOf(event.to).pending.push((names) => {
          names.delete(name);
          names.set(to, entry);
        });
        break;
      }
      case 'remove':
        seen.delete(event.path);
        folderOf(event.path).pending.push((names) => names.delete(name));
    }
  }
  const files = new Map<string, Uint8Array>();
  let cut = 0;
  const survive = (folder: Folder, below: string): void => {
    const names = new Map(folder.durable);
    for (const change of folder.pending.slice(0, rng.integer(folder.pending.length + 1))) change(names);
    for (const [name, entry] of names) {
      const place = path.join(below, name);
      if (isFolder(entry)) {
        survive(entry, place);
        continue;
      }
      const length = entry.synced + rng.integer(entry.written - entry.synced + 1);
      const bytes = Uint8Array.from(entry.content.subarray(0, length));
      const isZeroed = rng.uniform() < 0.5;
      if (isZeroed) bytes.fill(0, entry.synced);
      if (length < entry.written || (isZeroed && entry.synced < length)) cut++;
      files.set(place, bytes);
    }
  };
  survive(top, '');
  return { files, cut };
}

/** What each file of a traced run finally held, by every name that it had. */
export async function readContents(events: readonly DiskEvent[]): Promise<Map<string, Uint8Array>> {
  const contents = new Map<string, Uint8Array>();
  for (const event of events) {
    if (event.kind !== 'rename') continue;
    const bytes = await readFile(event.to);
    contents.set(event.path, bytes).set(event.to, bytes);
  }
  return contents;
}

export async function writeDisk({ files }: CutDisk, root: string): Promise<void> {
  await mkdir(root, { recursive: true });
  for (const [name, bytes] of files) {
    await mkdir(path.dirname(path.join(root, name)), { recursive: true });
    await writeFile(path.join(root, name), bytes);
  }
}
