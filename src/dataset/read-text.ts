/** Text of a table, whatever program wrote it. */
import { createReadStream } from 'node:fs';
import { TextDecoder } from 'node:util';
import { GraftError, unreadable } from '../errors.js';

/**
 * The table's text in pieces, without its byte order mark: UTF-8, or UTF-16 where the mark or the first letter says so.
 * @throws GraftError FILE_NOT_FOUND, FILE_UNREADABLE, or INVALID_DATASET naming the line that is neither.
 */
export async function* readText(file: string): AsyncGenerator<string> {
  let decoder: TextDecoder | undefined;
  let line = 1;
  let last: Buffer = Buffer.alloc(0);
  let text = '';
  try {
    for await (const chunk of createReadStream(file, { highWaterMark: 2 ** 18 }) as AsyncIterable<Buffer>) {
      if (!decoder) refuseOtherFormats(chunk, file);
      decoder ??= new TextDecoder(encodingOf(chunk), { fatal: true });
      line += linesIn(text);
      last = chunk;
      text = decoder.decode(chunk, { stream: true });
      yield text;
    }
    yield decoder?.decode() ?? '';
  } catch (error) {
    if (error instanceof TypeError) {
      // A character may have begun in the piece before.
      const rest = last.subarray(last.findIndex((byte) => byte >> 6 !== 0b10));
      const start = new TextDecoder(decoder?.encoding).decode(rest).split('\ufffd', 1)[0]!;
      const where = `in line ${line + linesIn(start)}`;
      throw damaged(
        file,
        `it is not ${decoder?.encoding.toUpperCase()} text ${where}; save it as UTF-8, which Excel calls CSV UTF-8`,
        error,
      );
    }
    throw unreadable(file, error);
  }
}

/** What files begin with that are taken for tables, and what to do with them. */
const formats: readonly (readonly [signature: string, what: string])[] = [
  ['PK\x03\x04', 'a zip archive, as Excel workbooks are; save it as CSV in UTF-8, or unpack it'],
  ['\xd0\xcf\x11\xe0', 'an Excel workbook; save it as CSV in UTF-8'],
  ['\x1f\x8b', 'compressed with gzip; unpack it'],
  ['PAR1', 'a Parquet file; call it .parquet'],
  ['ARROW1', 'an Arrow file; save it as Parquet or CSV'],
];

function refuseOtherFormats(start: Buffer, file: string): void {
  const found = formats.find(([signature]) => start.toString('latin1', 0, signature.length) === signature);
  if (found) throw damaged(file, `it is ${found[1]}`);
}

function linesIn(text: string): number {
  return text.split('\n').length - 1;
}

/** By the mark; without one every second byte of UTF-16 is zero where letters are Latin, and none of UTF-8 is. */
function encodingOf(start: Uint8Array): string {
  if (start[0] === 0xff && start[1] === 0xfe) return 'utf-16le';
  if (start[0] === 0xfe && start[1] === 0xff) return 'utf-16be';
  if (start[0]! > 0 && start[1] === 0) return 'utf-16le';
  if (start[0] === 0 && start[1]! > 0) return 'utf-16be';
  return 'utf-8';
}

export function damaged(file: string, reason: string, cause?: unknown): GraftError {
  return new GraftError(
    'INVALID_DATASET',
    `The table ${file} cannot be read: ${reason.replace(/\.$/, '')}.`,
    {
      cause,
    },
  );
}
