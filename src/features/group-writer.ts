/** Hands the missing examples of a group to the workers in batches and writes the group's shards when all are back. */
import { toHalf } from '../tensor/float16.js';
import type { FeatureDType } from './feature-key.js';
import type { FeatureStore } from './feature-store.js';
import { keyBytes } from './key-index.js';
import type { SkippedKey } from './shard.js';
import type { BatchFeatures } from './worker-messages.js';
import type { Pool } from './worker-pool.js';

export interface MissingExample {
  readonly path: string;
  readonly sha256: Uint8Array;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Which of the stores have no row of it. */
  readonly lacking: readonly boolean[];
}

export interface GroupWriterOptions {
  /** How many examples to hand to a worker at once. */
  batch(): number;
  /** For each store: which of the workers' views its rows are of. */
  readonly views: readonly number[];
  /** Called with the number of examples that came back. */
  onBatch(count: number): void;
  /** Called for each example that could not be used; may throw to stop everything. */
  onBroken(path: string, reason: string): void;
}

/** What is remembered of an example once its bytes are handed over. */
type Place = Omit<MissingExample, 'bytes'>;

interface Batch {
  readonly places: readonly Place[];
  readonly result: Promise<BatchFeatures>;
}

export class GroupWriter {
  /** Examples that rows were written of so far. */
  computed = 0;
  readonly #stores: readonly FeatureStore[];
  readonly #pool: Pool;
  readonly #options: GroupWriterOptions;
  #waiting: MissingExample[] = [];
  #batches: Batch[] = [];
  /** The write of the former group; at most one is left behind. */
  #writing: Promise<void> = Promise.resolve();
  #failure: Error | undefined;

  /** @param stores - one for each output that the workers give */
  constructor(stores: readonly FeatureStore[], pool: Pool, options: GroupWriterOptions) {
    this.#stores = stores;
    this.#pool = pool;
    this.#options = options;
  }

  /** Resolves when the next example may be added: at once, or when a worker has room for the batch this one fills. */
  async add(example: MissingExample): Promise<void> {
    this.#waiting.push(example);
    if (this.#waiting.length >= this.#options.batch()) await this.#dispatch();
  }

  /** Everything added since the last call becomes one shard of each store. Waits for the group before it. */
  async endGroup(): Promise<void> {
    if (this.#waiting.length > 0) await this.#dispatch();
    const batches = this.#batches;
    this.#batches = [];
    await this.settle();
    if (batches.length === 0) return;
    this.#writing = this.#write(batches);
    this.#writing.catch((error) => {
      this.#failure = error as Error;
    });
  }

  /** Resolves when all ended groups are on the disk. */
  settle(): Promise<void> {
    return this.#writing;
  }

  async #dispatch(): Promise<void> {
    await this.#pool.room();
    // Work that is not on the disk yet is what a kill loses: no more than one group and the batches in flight.
    if (this.#batches.length >= this.#pool.capacity) await this.settle();
    if (this.#failure) throw this.#failure;
    const examples = this.#waiting;
    this.#waiting = [];
    const { onBatch, onBroken } = this.#options;
    const wanted = new Set(
      this.#options.views.filter((_, target) => examples.some(({ lacking }) => lacking[target])),
    );
    const batch = {
      examples: examples.map(({ bytes }) => bytes),
      keys: examples.map(({ sha256 }) => sha256),
      views: [...wanted],
    };
    const result = this.#pool.run(batch).then((features) => {
      for (const { slot, reason } of features.broken) onBroken(examples[slot]!.path, reason);
      onBatch(examples.length);
      return features;
    });
    // Heard again when the group is written, or at the next dispatch.
    result.catch((error: Error) => {
      this.#failure ??= error;
    });
    this.#batches.push({
      places: examples.map(({ path, sha256, lacking }) => ({ path, sha256, lacking })),
      result,
    });
  }

  async #write(batches: readonly Batch[]): Promise<void> {
    const computed = new Set<Place>();
    for (const target of this.#stores.keys()) await this.#writeShard(batches, target, computed);
    this.computed += computed.size;
  }

  /** The rows of the group that one store lacks. */
  async #writeShard(batches: readonly Batch[], target: number, computed: Set<Place>): Promise<void> {
    const store = this.#stores[target]!;
    const { dim, format } = store;
    const total = batches.reduce((sum, { places }) => sum + places.length, 0);
    const features = new Float32Array(total * dim);
    const keys = new Uint8Array(total * keyBytes);
    const skipped: SkippedKey[] = [];
    let rows = 0;
    for (const { places, result } of batches) {
      const { features: outputs, broken } = await result;
      const reasons = new Map(broken.map(({ slot, reason }) => [slot, reason]));
      for (const [slot, place] of places.entries()) {
        if (!place.lacking[target]) continue;
        const row = outputs[target]!.subarray(slot * dim, (slot + 1) * dim);
        const misfit = reasons.has(slot) ? undefined : findMisfit(row, format.dtype);
        if (misfit !== undefined) this.#options.onBroken(place.path, misfit);
        const reason = reasons.get(slot) ?? misfit;
        if (reason !== undefined) skipped.push({ sha256: Buffer.from(place.sha256).toString('hex'), reason });
        else {
          computed.add(place);
          features.set(row, rows * dim);
          keys.set(place.sha256, rows++ * keyBytes);
        }
      }
    }
    await store.addShard({
      features: features.subarray(0, rows * dim),
      keys: keys.subarray(0, rows * keyBytes),
      skipped,
    });
  }
}

/** A row that would poison every sum it enters is no row: the reason, or undefined for a good one. */
function findMisfit(row: Float32Array, dtype: FeatureDType): string | undefined {
  // One pass without a branch tells of nearly all rows that they are good: 0 times what is not finite is NaN.
  let zero = 0;
  let largest = 0;
  for (let i = 0; i < row.length; i++) {
    const size = Math.abs(row[i]!);
    zero += 0 * size;
    largest = Math.max(largest, size);
  }
  if (zero === 0 && (dtype === 'float32' || largest < 65504)) return undefined;
  for (const value of row) {
    if (!Number.isFinite(value)) return `The backbone gives ${value} for it.`;
    const isTooLarge = dtype === 'float16' && Math.abs(value) >= 65504 && (toHalf(value) & 0x7fff) === 0x7c00;
    if (isTooLarge) return `The backbone gives ${value} for it, too large for float16: cache as float32.`;
  }
  return undefined;
}
