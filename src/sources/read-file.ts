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
} from 'node:fs';
import { promisify } from 'node:util';
import { unreadable } from '../errors.js';
import { ReadPace } from './read-pace.js';

/** No photo is larger; what is would only exhaust the memory. */
export const largestExample = 2 ** 30;

// Bare descriptors: FileHandle costs as much again as these calls do.
const open = promisify(openFile);
const read = promisify(readFile);

/** What is larger is worth a thread of its own, wherever it comes from. */
const mostAtOnce = 2 ** 18;
const neverQuick = new ReadPace(Number.POSITIVE_INFINITY);

export interface ReadFileOptions {
  /** Part to read; absent: the whole file. */
  readonly slice?: { readonly start: number; readonly length: number } | undefined;
  /** Called with the number of bytes before they are read; reading begins when it resolves. */
  readonly mayRead?: ((sizeBytes: number) => Promise<void>) | undefined;
  /** Of the reads before: where the disk is quick, a small file is read at once, holding up this thread. Default: never. */
  readonly pace?: ReadPace | undefined;
}

export interface FileContent {
  /** A buffer of its own, never one of Node's pool: it may be handed over to another thread. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The file's state from before it was read. */
  readonly info: BigIntStats;
}

/** @throws GraftError FILE_NOT_FOUND or FILE_UNREADABLE naming the path. */
export async function readFileContent(
  path: string,
  { slice, mayRead, pace = neverQuick }: ReadFileOptions = {},
): Promise<FileContent> {
  try {
    // Without O_NONBLOCK opening a named pipe would wait for ever for its writer.
    const flags = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);
    const file = await pace.take(
      () => openSync(path, flags),
      () => open(path, flags),
    );
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
      return { bytes: await readRange(file, start, length, pace), info };
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
  pace: ReadPace,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const place = [file, bytes, done, length - done, start + done] as const;
    const bytesRead = await (length > mostAtOnce ? neverQuick : pace).take(
      () => readSync(...place),
      async () => (await read(...place)).bytesRead,
    );
    if (bytesRead === 0) return bytes.slice(0, done);
    done += bytesRead;
  }
  return bytes;
}
