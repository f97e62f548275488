/** Reads and hashes files in the order of the list, several at once, with a bound on the bytes that wait. */
import { hash } from 'node:crypto';
import { GraftError, unreadable } from '../errors.js';
import { fileState } from '../sources/read-file.js';
import { readSource } from '../sources/read-source.js';
import { fileOf, type Located, type LocatedList, placeOf } from '../sources/source.js';
import type { HashMemo } from './hash-memo.js';

/** Enough to hide the latency of a network disk and the wait behind decoding in Node's thread pool. */
const concurrentReads = 64;
/** Bytes read but not yet taken: what a slow backbone may pile up. */
const bytesAhead = 64 * 2 ** 20;

export type ExampleContent =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array<ArrayBuffer>; readonly sha256: Uint8Array }
  /** Recognised without being read. */
  | { readonly kind: 'recognised'; readonly sha256: Uint8Array }
  | { readonly kind: 'unreadable'; readonly error: GraftError };

export interface ReadExample {
  /** Place in the list. */
  readonly index: number;
  readonly content: ExampleContent;
}

export interface ReadOptions {
  readonly memo: HashMemo;
  /** Whether the bytes of an example of this sha256 are wanted; where not, a file that the memo knows is not read. */
  isWanted(sha256: Uint8Array): boolean;
  /** Ends the wait for servers; what was to come of them is unreadable then. */
  readonly signal?: AbortSignal | undefined;
}

/** Yields every example once, in order. What cannot be read is yielded as such: the caller decides. */
export async function* readExamples(
  examples: LocatedList,
  options: ReadOptions,
): AsyncGenerator<ReadExample> {
  const gate = new ByteGate(bytesAhead);
  const reading: Promise<ReadExample>[] = [];
  const left = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, left.signal]) : left.signal;
  let next = 0;
  const begin = async (index: number): Promise<ReadExample> => {
    const example = examples.at(index)!;
    const sha256 = await recognise(example, options);
    if (sha256) return { index, content: { kind: 'recognised', sha256 } };
    const mayRead = (size: number) => gate.pass(index, size);
    return { index, content: await readExample(example, options.memo, { mayRead, signal }) };
  };
  try {
    for (let index = 0; index < examples.length; index++) {
      while (next < examples.length && reading.length < concurrentReads) reading.push(begin(next++));
      gate.moveTo(index);
      yield await reading.shift()!;
    }
  } finally {
    // Abandoned half way: let the reads under way pass the gate and end.
    left.abort();
    gate.moveTo(next);
    await Promise.all(reading);
  }
}

async function recognise(example: Located, { memo, isWanted }: ReadOptions): Promise<Uint8Array | undefined> {
  const file = fileOf(example);
  if (memo.isEmpty || file === undefined) return undefined;
  const info = await fileState(file);
  const sha256 = info?.isFile() ? memo.find(placeOf(example), info) : undefined;
  return sha256 && !isWanted(sha256) ? sha256 : undefined;
}

export interface ReadOneOptions {
  /** Resolves when there is room for so many bytes. */
  readonly mayRead?: ((sizeBytes: number) => Promise<void>) | undefined;
  /** Ends the wait for a server. */
  readonly signal?: AbortSignal | undefined;
}

export async function readExample(
  example: Located,
  memo: HashMemo,
  { mayRead, signal }: ReadOneOptions = {},
): Promise<Exclude<ExampleContent, { kind: 'recognised' }>> {
  try {
    const { bytes, info } = await readSource(example, mayRead, signal);
    const sha256 = hash('sha256', bytes, 'buffer');
    if (info) memo.remember(placeOf(example), info, sha256);
    return { kind: 'bytes', bytes, sha256 };
  } catch (error) {
    return {
      kind: 'unreadable',
      error: error instanceof GraftError ? error : unreadable(example.path, error),
    };
  }
}

/**
 * Lets reads begin while those ahead of the consumer sum to less than `limit` bytes. The one the consumer waits for
 * always passes: otherwise later files could fill the gate and the consumer would wait for ever.
 */
class ByteGate {
  readonly #limit: number;
  #ahead = 0;
  #position = 0;
  readonly #admitted = new Map<number, number>();
  readonly #waiting = new Map<number, { readonly size: number; readonly pass: () => void }>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  async pass(index: number, size: number): Promise<void> {
    if (index > this.#position && this.#ahead + size > this.#limit) {
      await new Promise<void>((pass) => this.#waiting.set(index, { size, pass }));
    } else this.#admit(index, size);
  }

  /** The consumer now waits for `index`; everything before it has been taken. */
  moveTo(index: number): void {
    this.#position = index;
    for (const [taken, size] of this.#admitted) {
      if (taken >= index) continue;
      this.#ahead -= size;
      this.#admitted.delete(taken);
    }
    for (const [waiting, { size, pass }] of this.#waiting) {
      if (waiting > index && this.#ahead + size > this.#limit) continue;
      this.#waiting.delete(waiting);
      this.#admit(waiting, size);
      pass();
    }
  }

  #admit(index: number, size: number): void {
    this.#admitted.set(index, size);
    this.#ahead += size;
  }
}
