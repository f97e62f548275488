/** The files of a zip archive, by the directory at its end: what is in them is not read. */
import { isUtf8 } from 'node:buffer';
import { type FileHandle, open } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import type { Entry, RandomAccessReader } from 'yauzl';
import { GraftError, messageOf, unreadable } from '../errors.js';
import { type ArchiveMember, damagedArchive } from './archive-member.js';
import { readZipMember } from './read-zip-member.js';
import { WindowReader } from './window-reader.js';

const [isUtf8Flag, typeBits, linkType] = [0x800, 0o170000, 0o120000];
/** Systems whose zip programs write the mode of a file: Unix, macOS. */
const withModes = [3, 19];
/** Bytes of a file's header and of its entry in the directory, without names and further fields. */
const smallestHeaders = 30 + 46;
const nextEntry = Buffer.from('PK\u0001\u0002', 'latin1');

/**
 * Files and links in the order of the directory, those of damaged or encrypted content too: it is what reads one that says so.
 * Names without a mark that they are UTF-8 are taken so where they can be, which macOS writes, else as MS-DOS wrote them.
 * @throws GraftError FILE_NOT_FOUND, FILE_UNREADABLE or INVALID_DATASET naming the archive.
 */
export async function* listZip(archive: string): AsyncGenerator<ArchiveMember> {
  const file = await open(archive, 'r').catch((error: unknown) => {
    throw unreadable(archive, error);
  });
  try {
    const { size } = await file.stat();
    const yauzl = (await import('yauzl')).default;
    const reader = new (readerClass(yauzl.RandomAccessReader))(file, size, archive);
    const options = { decodeStrings: false, autoClose: false };
    const zip = await yauzl.fromRandomAccessReaderPromise(reader, size, options);
    let total = 0;
    for await (const entry of zip.eachEntry()) {
      // Names are bytes here, whatever the declaration says: what they are is looked at below.
      const isGuessed = (entry.generalPurposeBitFlag & isUtf8Flag) === 0 && !isUtf8(entry.fileNameRaw);
      const flags = isGuessed ? 0 : isUtf8Flag;
      // A backslash divides folders, as some programs of Windows write it; of Japanese names it is a part of a character.
      const name = yauzl.getFileNameLowLevel(flags, entry.fileNameRaw, entry.extraFields, isGuessed);
      total += entry.compressedSize + smallestHeaders + 2 * entry.fileNameLength + entry.extraFieldLength;
      if (total > size) {
        // A few bytes that many files share would be petabytes to unpack.
        throw damagedArchive(archive, `its files overlap: together they have more bytes than it, ${size}`);
      }
      if (name.endsWith('/')) continue;
      const source = {
        kind: 'zip',
        file: archive,
        start: entry.relativeOffsetOfLocalHeader,
        length: entry.compressedSize,
        size: entry.uncompressedSize,
        checksum: entry.crc32,
      } as const;
      yield {
        name,
        source,
        isLink: isLink(entry),
        isNameGuessed: isGuessed,
        archive: 0,
        read: async (most) => {
          if (source.size <= most) return (await readZipMember(source)).bytes;
          throw damagedArchive(
            archive,
            `"${name}" has ${source.size} bytes, where at most ${most} are expected`,
          );
        },
      };
    }
    if (await reader.holdsMore()) {
      throw damagedArchive(
        archive,
        `it holds more files than the ${zip.entryCount} it says, as archives of macOS do beyond 65535; unpack it, and name the folder`,
      );
    }
  } catch (error) {
    if (error instanceof GraftError) throw error;
    throw damagedArchive(archive, messageOf(error).replace(/[.?]$/, ''), error);
  } finally {
    await file.close();
  }
}

function isLink({ versionMadeBy, externalFileAttributes }: Entry): boolean {
  return withModes.includes(versionMadeBy >> 8) && ((externalFileAttributes >>> 16) & typeBits) === linkType;
}

/** The base class is loaded when it is needed. */
function readerClass(base: typeof RandomAccessReader) {
  return class ReaderOfFile extends base {
    readonly #file: FileHandle;
    readonly #size: number;
    readonly #window: WindowReader;
    #end = 0;

    constructor(file: FileHandle, size: number, archive: string) {
      super();
      this.#file = file;
      this.#size = size;
      this.#window = new WindowReader(file, size, archive);
    }

    override read(
      buffer: Buffer,
      offset: number,
      length: number,
      position: number,
      callback: (error: Error | null, bytesRead?: number) => void,
    ): void {
      this.#end = position + length;
      this.#window.at(position, length).then(
        (bytes) => {
          buffer.set(bytes, offset);
          callback(null, length);
        },
        (error: unknown) => callback(error as Error),
      );
    }

    /** Whether another entry stands where the last read ended. */
    async holdsMore(): Promise<boolean> {
      if (this.#end + nextEntry.length > this.#size) return false;
      const { buffer } = await this.#file.read(
        Buffer.alloc(nextEntry.length),
        0,
        nextEntry.length,
        this.#end,
      );
      return buffer.equals(nextEntry);
    }

    override _readStreamForRange(): Readable {
      throw new Error('the content of files is read elsewhere');
    }
  };
}
