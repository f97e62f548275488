/**
 * Remembers the sha256 of files by their path, size, times and inode, so that a large data set that did not change is
 * not read again to be recognised. One file a data set; it is only ever a shortcut: damaged or absent, everything is
 * read. A file changed within two seconds of being looked at is not remembered: a second change in the same tick of the
 * file system's clock would not show (git's "racy" entries).
 */
import { createHash, hash } from 'node:crypto';
import type { BigIntStats } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileOf, type LocatedList } from '../sources/source.js';
import { makeFolder, writeDurably } from '../write-durably.js';
import { KeyIndex, keyBytes } from './key-index.js';

const racyNs = 2_000_000_000n;
const magic = 'graft hashes 1\n\n';

export class HashMemo {
  readonly #file: string;
  /** What the file held. */
  readonly #index = new KeyIndex();
  #hashes: Uint8Array = new Uint8Array(0);
  /** What this run met: only that is written, so that entries of former states do not pile up. */
  #entries = new Uint8Array(1024 * 2 * keyBytes);
  #entryCount = 0;
  #freshCount = 0;

  private constructor(file: string) {
    this.#file = file;
  }

  /** The memo of the files below the folder that all `examples` have in common; `forget` starts it anew. */
  static async open(
    cacheFolder: string,
    examples: LocatedList,
    { forget = false }: { readonly forget?: boolean | undefined } = {},
  ): Promise<HashMemo> {
    const name = createHash('sha256').update(commonFolder(examples)).digest('hex').slice(0, 32);
    const memo = new HashMemo(path.join(cacheFolder, 'hashes', name));
    const bytes = forget ? undefined : await readFile(memo.#file).catch(() => undefined);
    if (bytes) memo.#load(bytes);
    return memo;
  }

  get isEmpty(): boolean {
    return this.#index.size === 0;
  }

  /**
   * The sha256 of what lies at a place, where it was hashed before and its file has not been touched since.
   * @param place - the file's path, or what tells apart the examples in one file
   * @param info - the file's state
   */
  find(place: string, info: BigIntStats): Uint8Array | undefined {
    const key = statKey(place, info);
    const ordinal = this.#index.find(key);
    if (ordinal < 0) return undefined;
    const sha256 = this.#hashes.subarray(ordinal * keyBytes, (ordinal + 1) * keyBytes);
    this.#keep(key, sha256);
    return sha256;
  }

  /** Remembers a hash. @param info - the file's state from before it was read */
  remember(place: string, info: BigIntStats, sha256: Uint8Array): void {
    const now = BigInt(Date.now()) * 1_000_000n;
    if (now - info.mtimeNs < racyNs || now - info.ctimeNs < racyNs) return;
    this.#keep(statKey(place, info), sha256);
    this.#freshCount++;
  }

  /** Writes the memo where there is something new. It is a shortcut only: where it cannot be written, it is not. */
  async save(): Promise<void> {
    if (this.#freshCount === 0) return;
    const body = Buffer.concat([
      Buffer.from(magic),
      this.#entries.subarray(0, this.#entryCount * 2 * keyBytes),
    ]);
    const checksum = createHash('sha256').update(body).digest();
    await makeFolder(path.dirname(this.#file))
      .then(() => writeDurably(this.#file, Buffer.concat([body, checksum])))
      .catch(() => {});
  }

  #keep(key: Uint8Array, sha256: Uint8Array): void {
    const start = this.#entryCount++ * 2 * keyBytes;
    if (start === this.#entries.length) {
      const larger = new Uint8Array(this.#entries.length * 2);
      larger.set(this.#entries);
      this.#entries = larger;
    }
    this.#entries.set(key, start);
    this.#entries.set(sha256, start + keyBytes);
  }

  #load(bytes: Uint8Array): void {
    const end = bytes.length - keyBytes;
    const count = (end - magic.length) / (2 * keyBytes);
    if (!Number.isSafeInteger(count) || count < 0) return;
    const checksum = createHash('sha256').update(bytes.subarray(0, end)).digest();
    const isWhole = checksum.equals(bytes.subarray(end)) && checkMagic(bytes);
    if (!isWhole) return;
    this.#hashes = new Uint8Array(count * keyBytes);
    for (let i = 0; i < count; i++) {
      const start = magic.length + i * 2 * keyBytes;
      const ordinal = this.#index.add(bytes, start);
      this.#hashes.set(bytes.subarray(start + keyBytes, start + 2 * keyBytes), ordinal * keyBytes);
    }
  }
}

function checkMagic(bytes: Uint8Array): boolean {
  return Buffer.from(bytes.subarray(0, magic.length)).toString('latin1') === magic;
}

function statKey(place: string, info: BigIntStats): Uint8Array {
  const state = [info.dev, info.ino, info.size, info.mtimeNs, info.ctimeNs].join(',');
  return hash('sha256', `${state}\0${path.resolve(place)}`, 'buffer');
}

function commonFolder(examples: LocatedList): string {
  let common: string | undefined;
  let latest = '';
  for (let index = 0; index < examples.length; index++) {
    const example = examples.at(index)!;
    const file = fileOf(example) ?? example.path;
    // The members of an archive follow one another.
    if (file === latest) continue;
    latest = file;
    const whole = path.resolve(file);
    common ??= path.dirname(whole);
    // On Windows two drives have nothing in common.
    while (!whole.startsWith(common) && common !== path.dirname(common)) common = path.dirname(common);
  }
  return common ?? path.resolve('.');
}
