/** Rows of equal length at given places of files: neighbours come in one read, and files stay open between reads. */
import { readSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { GraftError, unreadable } from '../errors.js';
import { ReadPace } from '../sources/read-pace.js';

export interface Places {
  readonly files: readonly string[];
  /** For each row, which of the files it is in. */
  readonly fileOf: Uint32Array;
  /** For each row, where it begins, in bytes from the start of its file. */
  readonly positions: Float64Array;
  readonly rowBytes: number;
}

export interface PlaceReader {
  /**
   * Copies these rows one after another into `into`, [rows.length · rowBytes].
   * @throws GraftError FILE_UNREADABLE, INVALID_CACHE where a file was cut short meanwhile.
   */
  read(rows: ArrayLike<number>, into: Uint8Array): Promise<void>;
  /** Files are opened again where rows are read afterwards. */
  close(): Promise<void>;
}

/** Rows that lie so near to each other in a file are read together with what is between them. */
const nearBytes = 16 * 2 ** 10;
/** Most bytes a read. */
const spanBytes = 2 ** 20;
/** Reads under way at once: as many as Node has threads for them, and some waiting. */
const readers = 8;
/** Above, copying takes so long that it is better done by another thread, beside the caller's work. */
const mostBlockingBytes = 64 * 2 ** 10;
/** Files that stay open between reads. */
const mostOpen = 256;

/** Rows whose places follow one another in one file. */
interface Span {
  readonly file: number;
  readonly begin: number;
  end: number;
  /** Of the rows wanted: indices of `from` to before `to` in the sorted order. */
  readonly from: number;
  to: number;
}

export function openPlaces({ files, fileOf, positions, rowBytes }: Places): PlaceReader {
  const handles = new Map<number, Promise<FileHandle>>();
  const spare: Uint8Array[] = [];
  const pace = new ReadPace();
  let under = 0;
  const handleOf = (file: number): Promise<FileHandle> => {
    let handle = handles.get(file);
    if (!handle) handles.set(file, (handle = open(files[file]!, 'r')));
    return handle;
  };
  const closeAll = async (): Promise<void> => {
    const all = [...handles.values()];
    handles.clear();
    // One that could not be opened has said so to its reader.
    for (const handle of all) await handle.then((file) => file.close()).catch(() => {});
  };
  const readSpan = async (span: Span, rows: ArrayLike<number>, order: Uint32Array, into: Uint8Array) => {
    const { file, begin, end, from, to } = span;
    const path = files[file]!;
    try {
      const handle = await handleOf(file);
      const first = order[from]!;
      const isInPlace = end - begin === (to - from) * rowBytes && isRising(order, from, to);
      if (isInPlace) {
        const at = first * rowBytes;
        return await readFully(handle, begin, into.subarray(at, at + end - begin), path, pace);
      }
      const kept = spare.pop();
      const bytes =
        kept && kept.length >= end - begin ? kept : new Uint8Array(Math.max(spanBytes, end - begin));
      await readFully(handle, begin, bytes.subarray(0, end - begin), path, pace);
      for (let i = from; i < to; i++) {
        const at = positions[rows[order[i]!]!]! - begin;
        into.set(bytes.subarray(at, at + rowBytes), order[i]! * rowBytes);
      }
      spare.push(bytes);
    } catch (error) {
      throw unreadable(path, error);
    }
  };
  return {
    async read(rows, into) {
      const order = inFileOrder(rows);
      const spans = spansOf(rows, order);
      let next = 0;
      under++;
      try {
        await Promise.all(
          Array.from({ length: Math.min(readers, spans.length) }, async () => {
            for (let span = spans[next++]; span; span = spans[next++])
              await readSpan(span, rows, order, into);
          }),
        );
      } finally {
        under--;
        if (under === 0 && handles.size > mostOpen) await closeAll();
      }
    },
    close: closeAll,
  };

  /** Indices of the rows, by file and position. */
  function inFileOrder(rows: ArrayLike<number>): Uint32Array {
    const order = Uint32Array.from({ length: rows.length }, (_, i) => i);
    const compare = (a: number, b: number): number =>
      fileOf[rows[a]!]! - fileOf[rows[b]!]! || positions[rows[a]!]! - positions[rows[b]!]!;
    for (let i = 1; i < order.length; i++) if (compare(i - 1, i) > 0) return order.sort(compare);
    return order;
  }

  function spansOf(rows: ArrayLike<number>, order: Uint32Array): Span[] {
    const spans: Span[] = [];
    let span: Span | undefined;
    for (let i = 0; i < order.length; i++) {
      const row = rows[order[i]!]!;
      const [file, begin] = [fileOf[row]!, positions[row]!];
      const end = begin + rowBytes;
      if (span?.file === file && begin - span.end <= nearBytes && end - span.begin <= spanBytes) {
        span.end = Math.max(span.end, end);
        span.to = i + 1;
      } else spans.push((span = { file, begin, end, from: i, to: i + 1 }));
    }
    return spans;
  }
}

function isRising(order: Uint32Array, from: number, to: number): boolean {
  for (let i = from + 1; i < to; i++) if (order[i] !== order[i - 1]! + 1) return false;
  return true;
}

async function readFully(
  handle: FileHandle,
  position: number,
  into: Uint8Array,
  path: string,
  pace: ReadPace,
): Promise<void> {
  const mayBlock = into.length <= mostBlockingBytes && pace.mayBlock();
  let done = mayBlock ? pace.timed(() => readSync(handle.fd, into, 0, into.length, position)) : 0;
  while (done < into.length) {
    const { bytesRead } = await handle.read(into, done, into.length - done, position + done);
    if (bytesRead === 0) throw new GraftError('INVALID_CACHE', `${path} was cut short while it was in use.`);
    done += bytesRead;
  }
}
