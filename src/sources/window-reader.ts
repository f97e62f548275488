import type { FileHandle } from 'node:fs/promises';
import { damagedArchive } from './archive-member.js';

/** Holds several headers where members are small, and costs little where each header is a read of its own. */
const windowBytes = 16 * 1024;

/** Reads a little more than asked for, so that what follows is often there already. */
export class WindowReader {
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

  /** Valid until the next call. @throws GraftError INVALID_DATASET where the file ends before. */
  async at(start: number, length: number): Promise<Uint8Array> {
    const isLarge = length > windowBytes;
    const into = isLarge ? new Uint8Array(length) : this.#window;
    if (isLarge || start < this.#start || start + length > this.#start + this.#length) {
      if (start + length > this.#size)
        throw damagedArchive(
          this.#archive,
          `it has ${this.#size} bytes, and ends before byte ${start + length}`,
        );
      const wanted = Math.min(into.length, this.#size - start);
      const { bytesRead } = await this.#file.read(into, 0, wanted, start);
      if (bytesRead < length) throw damagedArchive(this.#archive, 'it became shorter while it was read');
      if (isLarge) return into;
      this.#start = start;
      this.#length = bytesRead;
    }
    return into.subarray(start - this.#start, start - this.#start + length);
  }
}
