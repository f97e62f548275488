/**
 * One file of a zip archive. Its header there, 30 bytes, a name and further fields, tells how it is packed:
 *
 *   0 signature 4 · 6 flags 2 · 8 method 2 · 26 length of the name 2 · 28 length of the fields 2
 *
 * Sizes and checksum are those of the archive's directory, as the header may lack them.
 */
import type { BigIntStats } from 'node:fs';
import { promisify } from 'node:util';
import { crc32, inflateRaw } from 'node:zlib';
import { GraftError, systemErrorCode } from '../errors.js';
import { largestExample, readFileContent } from './read-file.js';
import type { Source } from './source.js';

const inflate = promisify(inflateRaw);
const headerBytes = 30;
const signature = 0x04034b50;
const [stored, deflated] = [0, 8];
const otherMethods: Readonly<Record<number, string>> = {
  9: 'Deflate64',
  12: 'bzip2',
  14: 'LZMA',
  93: 'Zstandard',
  95: 'XZ',
};
/** Of what is unpacked at a time; zlib makes a buffer of it. */
const largestChunk = 2 ** 22;

/**
 * @param mayRead - called with the number of bytes, unpacked, before they are read
 * @throws GraftError FILE_NOT_FOUND or FILE_UNREADABLE naming the archive: encrypted, packed in a way that is
 *   not read, more or less than the directory says, another checksum, as where the archive changed since it was listed.
 */
export async function readZipMember(
  source: Extract<Source, { kind: 'zip' }>,
  mayRead?: (sizeBytes: number) => Promise<void>,
): Promise<{ bytes: Uint8Array<ArrayBuffer>; info: BigIntStats }> {
  const { file, start, length, size, checksum } = source;
  const damaged = (reason: string, cause?: unknown) =>
    new GraftError('FILE_UNREADABLE', `A file in ${file}, at byte ${start}, cannot be read: it ${reason}.`, {
      cause,
    });
  if (size > largestExample) throw damaged(`has ${size} bytes, more than any photo`);
  const { bytes: header, info } = await readFileContent(file, { slice: { start, length: headerBytes } });
  const view = new DataView(header.buffer);
  if (header.length < headerBytes || view.getUint32(0, true) !== signature)
    throw damaged('does not begin there');
  if (view.getUint16(6, true) & 1)
    throw damaged('is encrypted; unpack it with its password, and name the folder');
  const method = view.getUint16(8, true);
  if (method !== stored && method !== deflated) {
    throw damaged(
      `is packed by ${otherMethods[method] ?? `method ${method}`}, not by Deflate; pack it again, or unpack it`,
    );
  }
  const content = start + headerBytes + view.getUint16(26, true) + view.getUint16(28, true);
  const slice = { start: content, length };
  const { bytes: packed } = await readFileContent(file, { slice, mayRead: async () => mayRead?.(size) });
  const bytes = method === stored ? packed : await unpack(packed, size, damaged);
  if (bytes.length !== size) throw damaged(`has ${bytes.length} bytes, not ${size} as its directory says`);
  if (crc32(bytes) !== checksum) throw damaged('does not have the checksum of the directory');
  return { bytes, info };
}

/** Never more than `size` bytes, which a few kilobytes could become gigabytes of. */
async function unpack(
  packed: Uint8Array,
  size: number,
  damaged: (reason: string, cause: unknown) => Error,
): Promise<Uint8Array<ArrayBuffer>> {
  const most = Math.max(size, 1);
  try {
    const chunkSize = Math.min(Math.max(most, 64), largestChunk);
    const unpacked = await inflate(packed, { maxOutputLength: most, chunkSize });
    // A part of a larger buffer, such as Node's pool, could not be handed over to another thread.
    return unpacked.length === unpacked.buffer.byteLength ? unpacked : Uint8Array.from(unpacked);
  } catch (error) {
    const isMore = systemErrorCode(error) === 'ERR_BUFFER_TOO_LARGE';
    throw damaged(isMore ? `holds more than the ${size} bytes its directory says` : 'is damaged', error);
  }
}
