/** Reads one file, or a part of it, that may be anything: a folder, a pipe, a device, or gone. */
import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  open as openFile,
  openSync,
  read as readFile,
  readSync,
  statSync,
} from 'node:fs';
import { stat } from 'node:fs/promises';
import { promisify } from 'node:util';
import { unreadable } from '../errors.js';
import { ReadPace } from './read-pace.js';

/** No photo is larger; what is would only exhaust the memory. */
export const largestExample = 2 ** 30;

/** Above, the calling thread would be held up for long even by a file in memory. */
const mostBlockingBytes = 2 ** 20;
const pace = new ReadPace();

// Bare descriptors: FileHandle costs as much again as these calls do.
const open = promisify(openFile);
const read = promisify(readFile);

export interface ReadFileOptions {
  /** Part to read; absent: the whole file. */
  readonly slice?: { readonly start: number; readonly length: number } | undefined;
  /** Called with the number of bytes before they are read; reading begins when it resolves. */
  readonly mayRead?: ((sizeBytes: number) => Promise<void>) | undefined;
}

export interface FileContent {
  /** A buffer of its own, never one of Node's pool: it may be handed over to another thread. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The file's state from before it was read. */
  readonly info: BigIntStats;
}

/** The state of what lies at a path, behind links; undefined where there is nothing or it cannot be looked at. */
export async function fileState(path: string): Promise<BigIntStats | undefined> {
  const options = { bigint: true } as const;
  try {
    return pace.mayBlock() ? pace.timed(() => statSync(path, options)) : await stat(path, options);
  } catch {
    return undefined;
  }
}

/** @throws GraftError FILE_NOT_FOUND or FILE_UNREADABLE naming the path. */
export async function readFileContent(
  path: string,
  { slice, mayRead }: ReadFileOptions = {},
): Promise<FileContent> {
  try {
    // Without O_NONBLOCK opening a named pipe would wait for ever for its writer.
    const flags = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);
    const mayBlock = pace.mayBlock();
    const file = mayBlock ? pace.timed(() => openSync(path, flags)) : await open(path, flags);
    try {
      // Opening has fetched the state, and closing what was only read writes nothing: neither waits for a disk.
      const info = fstatSync(file, { bigint: true });
      if (info.isDirectory()) throw Object.assign(new Error('is a directory'), { code: 'EISDIR' });
      if (!info.isFile()) throw new Error('it is not a regular file');
      const { start, length } = slice ?? { start: 0, length: Number(info.size) };
      if (length > largestExample) throw new Error(`it has ${length} bytes, more than any photo`);
      if (slice && BigInt(start) + BigInt(length) > info.size) {
        throw new Error(`it ends at ${info.size} bytes, before byte ${start + length}`);
      }
      await mayRead?.(length);
      const blocks = mayBlock && length <= mostBlockingBytes;
      return { bytes: await readRange(file, start, length, blocks), info };
    } finally {
      closeSync(file);
    }
  } catch (error) {
    throw unreadable(path, error);
  }
}

/** Fewer bytes than asked for where the file has become shorter. */
async function readRange(
  file: number,
  start: number,
  length: number,
  blocks: boolean,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(length);
  let done = blocks ? pace.timed(() => readSync(file, bytes, 0, length, start)) : 0;
  while (done < length) {
    const { bytesRead } = await read(file, bytes, done, length - done, start + done);
    if (bytesRead === 0) return bytes.slice(0, done);
    done += bytesRead;
  }
  return bytes;
}
