/** The members of a tar archive by their headers alone: what lies between them is passed over, not read. */
import { type FileHandle, open } from 'node:fs/promises';
import { GraftError, unreadable } from '../errors.js';
import { parsePax, parseTarHeader, tarBlock, text } from './tar-header.js';

export interface TarMember {
  readonly name: string;
  /** Where its content lies in the archive. */
  readonly start: number;
  readonly length: number;
  /** Whether it only leads to another member or file; it has no content then. */
  readonly isLink: boolean;
  /** Which archive of the file it is in, from 0: several may have been written one after the other, `cat a.tar b.tar`. */
  readonly archive: number;
  /** Its content; only until the next member is asked for. @throws GraftError INVALID_DATASET above `most` bytes. */
  read(most: number): Promise<Uint8Array>;
}

/** Holds several headers where members are small, and costs little where each header is a read of its own. */
const windowBytes = 16 * 1024;
/** Of a long name or of pax records: more is no path. */
const longestExtension = 2 ** 20;

/**
 * Regular files and links in the order of the archive. Behind its end another archive may begin, which is read too, as GNU tar
 * does with --ignore-zeros: examples that are there would else be missing without a word. Anything else there is passed over.
 * @throws GraftError FILE_NOT_FOUND, FILE_UNREADABLE or INVALID_DATASET naming the place.
 */
export async function* listTar(archive: string): AsyncGenerator<TarMember> {
  const file = await open(archive, 'r').catch((error: unknown) => {
    throw unreadable(archive, error);
  });
  try {
    const { size } = await file.stat();
    const reader = new WindowReader(file, size, archive);
    let described: { path?: string; size?: number } = {};
    let archives = 0;
    let isBehindEnd = false;
    for (let at = 0; at < size;) {
      const block = await reader.at(at, Math.min(tarBlock, size - at));
      if (block.length < tarBlock) {
        if (isBehindEnd) return;
        throw damaged(
          archive,
          at === 0 ? whatElse(block) : `it ends within a header at byte ${at}; it is cut off`,
        );
      }
      const header = parseTarHeader(block);
      if (header === 'end') {
        isBehindEnd = true;
        at += tarBlock;
        continue;
      }
      if (!header && isBehindEnd) return;
      if (!header) throw damaged(archive, at === 0 ? whatElse(block) : `byte ${at} begins no member`);
      if (isBehindEnd) archives++;
      isBehindEnd = false;
      const start = at + tarBlock;
      const length = header.kind === 'other' || header.kind === 'link' ? 0 : (described.size ?? header.size);
      const name = described.path ?? header.name;
      at = start + Math.ceil(length / tarBlock) * tarBlock;
      if (at > size) {
        throw damaged(archive, `"${name}" should end at byte ${at} but the file has ${size}; it is cut off`);
      }
      if (header.kind === 'name' || header.kind === 'pax') {
        if (length > longestExtension) throw damaged(archive, `a name at byte ${start} has ${length} bytes`);
        const content = await reader.at(start, length);
        described =
          header.kind === 'pax'
            ? { ...described, ...parsePax(content) }
            : { ...described, path: text(content, 0, length) };
        continue;
      }
      described = {};
      const isLink = header.kind === 'link';
      if (header.kind !== 'file' && !isLink) continue;
      yield {
        name,
        start,
        length,
        isLink,
        archive: archives,
        read: async (most) => {
          if (length <= most) return reader.at(start, length);
          throw damaged(archive, `"${name}" has ${length} bytes, where at most ${most} are expected`);
        },
      };
    }
  } catch (error) {
    throw unreadable(archive, error);
  } finally {
    await file.close();
  }
}

/** Reads a little more than asked for, so that what follows is often there already. */
class WindowReader {
  readonly #file: FileHandle;
  readonly #size: number;
  readonly #archive: string;
  readonly #window = new Uint8Array(windowBytes);
  #start = 0;
  #length = 0;

  constructor(file: FileHandle, size: number, archive: string) {
    this.#file = file;
    this.#size = size;
    this.#archive = archive;
  }

  /** Valid until the next call. */
  async at(start: number, length: number): Promise<Uint8Array> {
    const isLarge = length > windowBytes;
    const into = isLarge ? new Uint8Array(length) : this.#window;
    if (isLarge || start < this.#start || start + length > this.#start + this.#length) {
      const wanted = Math.min(into.length, this.#size - start);
      const { bytesRead } = await this.#file.read(into, 0, wanted, start);
      if (bytesRead < length) throw damaged(this.#archive, `it became shorter while it was read`);
      if (isLarge) return into;
      this.#start = start;
      this.#length = bytesRead;
    }
    return into.subarray(start - this.#start, start - this.#start + length);
  }
}

function whatElse(block: Uint8Array): string {
  const isCompressed =
    (block[0] === 0x1f && block[1] === 0x8b) || // gzip
    text(block, 0, 3) === 'BZh' ||
    text(block, 1, 4) === '7zXZ' ||
    (block[0] === 0x28 && block[1] === 0xb5 && block[2] === 0x2f && block[3] === 0xfd); // zstd
  return isCompressed
    ? 'it is compressed, and members of a compressed archive cannot be read one by one; decompress it first'
    : 'it does not begin as a tar archive does';
}

function damaged(archive: string, reason: string): GraftError {
  return new GraftError('INVALID_DATASET', `The archive ${archive} cannot be read: ${reason}.`);
}
