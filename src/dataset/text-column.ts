/**
 * A long list of texts that begin like their neighbours, as paths do: of each only what differs from the one before is
 * kept, as UTF-8. A million paths of 60 letters take about 10 MB, where strings would take 100.
 *
 * An entry is: bytes in common with the text before, bytes of its own (both as LEB128), those bytes. Every 16th text
 * stands alone, so that finding one reads 16 entries at most, and one after another reads each but once.
 */
import { GrowingArray } from '../tensor/growing-array.js';

const blockLength = 16;

export class TextColumn {
  readonly #bytes = new GrowingArray(Uint8Array);
  /** Where each block begins. */
  readonly #blocks = new GrowingArray(Float64Array);
  #length = 0;
  /** The latest text. */
  #latest: Uint8Array = new Uint8Array(0);
  /** The text that was read last is put together here. */
  #scratch = Buffer.alloc(512);
  #scratchLength = 0;
  /** Its block, its index, and where the next entry begins. */
  #block = -1;
  #index = -1;
  #next = 0;

  get length(): number {
    return this.#length;
  }

  /** Halves of surrogate pairs, which no file name has, become U+FFFD. */
  push(text: string): void {
    const bytes = Buffer.from(text);
    const isFirst = this.#length++ % blockLength === 0;
    if (isFirst) this.#blocks.push(this.#bytes.length);
    const shared = isFirst ? 0 : sharedLength(this.#latest, bytes);
    this.#pushCount(shared);
    this.#pushCount(bytes.length - shared);
    this.#bytes.append(bytes.subarray(shared));
    this.#latest = bytes;
  }

  /** @param index - from 0 to `length` - 1 */
  at(index: number): string {
    const block = Math.floor(index / blockLength);
    if (block !== this.#block || index < this.#index) {
      this.#block = block;
      this.#index = block * blockLength - 1;
      this.#next = this.#blocks.at(block);
    }
    while (this.#index < index) this.#readNext();
    return this.#scratch.toString('utf8', 0, this.#scratchLength);
  }

  #readNext(): void {
    const shared = this.#readCount();
    const own = this.#readCount();
    const length = shared + own;
    if (length > this.#scratch.length) {
      this.#scratch = Buffer.concat([this.#scratch.subarray(0, shared)], length * 2);
    }
    // Of paths most are a few bytes: a loop is faster than a view and a copy.
    if (own < 32) for (let i = 0; i < own; i++) this.#scratch[shared + i] = this.#bytes.at(this.#next + i);
    else this.#scratch.set(this.#bytes.values.subarray(this.#next, this.#next + own), shared);
    this.#next += own;
    this.#scratchLength = length;
    this.#index++;
  }

  #readCount(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.#bytes.at(this.#next++);
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  }

  #pushCount(count: number): void {
    let rest = count;
    for (; rest > 0x7f; rest >>>= 7) this.#bytes.push((rest & 0x7f) | 0x80);
    this.#bytes.push(rest);
  }
}

function sharedLength(a: Uint8Array, b: Uint8Array): number {
  const most = Math.min(a.length, b.length);
  let length = 0;
  while (length < most && a[length] === b[length]) length++;
  return length;
}
