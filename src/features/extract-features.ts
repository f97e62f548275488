/**
 * Fills stores with the features of a list of images or texts, computing only the rows that are missing. Several stores, one for
 * each output of the model (feature layers) and each random view of images, are filled in one pass.
 *
 * The list is cut into groups of successive distinct examples; what a group lacks becomes one shard. Groups follow from
 * the list alone, and a shard is written when its group is done, in order: an interrupted run that is started again
 * leaves the same bytes as one that was not interrupted, and loses no more than the group at work; none where it is asked to
 * stop and that group takes a moment only.
 */
import { dirname } from 'node:path';
import { GraftError, invalidArgument } from '../errors.js';
import type { OnProgress } from '../logger.js';
import type { RandomView } from '../image/random-view.js';
import type { InputSpec } from '../models/input-spec.js';
import type { ModelLayout } from '../onnx/lay-out-model.js';
import type { NodeProvider } from '../runtime/providers.js';
import type { LocatedList } from '../sources/source.js';
import { collectRows, type Skipped } from './collect-rows.js';
import type { FeatureStore } from './feature-store.js';
import { GroupFinish } from './finish-group.js';
import { GroupWriter } from './group-writer.js';
import { HashMemo } from './hash-memo.js';
import { KeyIndex } from './key-index.js';
import { openPool } from './open-pool.js';
import { Pace } from './pace.js';
import type { Division } from './plan-workers.js';
import { type ReadExample, readExample, readExamples } from './read-examples.js';
import type { TryingPool } from './trying-pool.js';

export interface ExtractOptions {
  /**
   * Encoded ONNX model, or a function that lays it out for the runtime and is called only where something is missing:
   * image or tokens → float32 [batch, dim], batch free.
   */
  readonly model: Uint8Array | (() => Promise<ModelLayout>);
  readonly input: InputSpec;
  /** Where the model's outputs go; at least one. */
  readonly targets: readonly ExtractTarget[];
  readonly examples: LocatedList;
  readonly provider?: NodeProvider | undefined;
  /** Most examples a run of the model; default: by the provider. */
  readonly batch?: number | undefined;
  /** Cores to use; default: all. */
  readonly threads?: number | undefined;
  /** Sessions at once; default: one a core on the CPU while the memory lasts, one on a GPU. */
  readonly workers?: number | undefined;
  readonly onProgress?: OnProgress | undefined;
  /** What to do about an example that cannot be read or decoded. */
  readonly onError?: 'skip' | 'fail' | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Read and hash every file: for file systems that do not tell every change by size, times or inode. */
  readonly rehash?: boolean | undefined;
}

export interface ExtractTarget {
  /** Opened for the same backbone, layer, pooling and preprocessing; its `dim` is what the model must give. */
  readonly store: FeatureStore;
  /** Name of the model's output; default: its first one. */
  readonly output?: string | undefined;
  /** Rows of random views of the images, all views of an image from one decode; default: of the images as they are. */
  readonly view?: RandomView | undefined;
}

export interface ExtractResult {
  /** Examples that this run computed a row of. */
  readonly computed: number;
  /** Examples whose rows were there already, in the stores or earlier in the list. */
  readonly cached: number;
  readonly skipped: readonly Skipped[];
  readonly seconds: number;
  /** Examples of the list per second, cached ones included. */
  readonly examplesPerSecond: number;
  /** How the cores were divided at the end, and how many ways were measured; undefined where nothing was computed. */
  readonly division?: Division & { readonly tried: number };
  /** sha256 of each example's bytes, uint8 [examples, 32]; zero where the example was skipped. */
  readonly keys: Uint8Array;
}

/** Most bytes of features in one shard, and most rows. */
const shardBytes = 64 * 2 ** 20;
const shardRows = 256;

/**
 * @throws GraftError INVALID_IMAGE (with onError 'fail'), INTERRUPTED (by `signal`), FILE_UNWRITABLE,
 * PROVIDER_UNAVAILABLE, UNSUPPORTED_MODEL or RUNTIME_FAILURE. Finished shards are kept in every case.
 */
export async function extractFeatures(options: ExtractOptions): Promise<ExtractResult> {
  if (options.targets.length === 0) throw invalidArgument('targets', 'a store or more', 0);
  for (const name of ['batch', 'threads', 'workers'] as const) {
    const value = options[name];
    if (value !== undefined && !(Number.isSafeInteger(value) && value > 0)) {
      throw invalidArgument(name, 'a whole number above 0', value);
    }
  }
  return new Extraction(options).run();
}

/** One pass over the list. Used once. */
class Extraction {
  readonly #options: ExtractOptions;
  readonly #stores: readonly FeatureStore[];
  /** Most examples in a group. */
  readonly #groupSize: number;
  readonly #distinct = new KeyIndex();
  /** Number of each example's key among the distinct ones. */
  readonly #ordinals: Uint32Array;
  /** By place in the list, why an example could not be read. */
  readonly #unreadable = new Map<number, string>();
  readonly #finish: GroupFinish;
  readonly #pace = new Pace();
  #done = 0;
  /** Distinct examples of the group at work so far. */
  #inGroup = 0;
  /** The three that compute; opened for the first example that lacks a row. */
  #layout: ModelLayout | undefined;
  #pool: TryingPool | undefined;
  #writer: GroupWriter | undefined;

  constructor(options: ExtractOptions) {
    this.#options = options;
    this.#stores = options.targets.map(({ store }) => store);
    const widest = Math.max(...this.#stores.map(({ dim }) => dim));
    this.#groupSize = Math.max(1, Math.min(shardRows, Math.floor(shardBytes / (4 * widest))));
    this.#ordinals = new Uint32Array(options.examples.length);
    this.#finish = new GroupFinish(options.signal);
  }

  async run(): Promise<ExtractResult> {
    const { examples, signal, rehash } = this.#options;
    const started = performance.now();
    try {
      const memo = await HashMemo.open(dirname(this.#stores[0]!.folder), examples, { forget: rehash });
      await this.#takeAll(memo);
      await this.#writer?.endGroup();
      await this.#writer?.settle();
      await memo.save();
      if (signal?.aborted) throw this.#interrupted();
    } catch (error) {
      // Groups that were handed in completely are still finished, unless it was the computing that failed.
      await this.#writer?.settle().catch(() => {});
      throw signal?.aborted ? this.#interrupted() : error;
    } finally {
      this.#finish.end();
      await this.#pool?.close();
      await this.#layout?.release();
    }
    return this.#result(started);
  }

  async #takeAll(memo: HashMemo): Promise<void> {
    const isWanted = (sha256: Uint8Array) => this.#stores.some((store) => store.find(sha256) === undefined);
    const signal = this.#finish.over;
    for await (const example of readExamples(this.#options.examples, { memo, isWanted, signal })) {
      const left = this.#writer && this.#inGroup > 0 ? this.#groupSize - this.#inGroup : 0;
      if (this.#finish.mustStop(left, this.#pace.msPerExample(this.#done))) throw this.#interrupted();
      const isNew = await this.#take(example, memo);
      if (isNew && ++this.#inGroup === this.#groupSize) await this.#endGroup();
    }
  }

  /** @returns whether it counts in its group: it could be read, and none before it had the same bytes */
  async #take({ index, content }: ReadExample, memo: HashMemo): Promise<boolean> {
    const example = this.#options.examples.at(index)!;
    if (content.kind === 'unreadable') return this.#passOver(index, content.error);
    const { sha256 } = content;
    const before = this.#distinct.size;
    this.#ordinals[index] = this.#distinct.add(sha256);
    const isRepeat = this.#distinct.size === before;
    const found = isRepeat ? [] : await Promise.all(this.#stores.map((store) => store.findVerified(sha256)));
    const known = found.find((place) => place?.kind === 'skipped');
    if (known?.kind === 'skipped') this.#refuse(example.path, known.reason);
    if (!found.includes(undefined)) this.#advance(1);
    else {
      // A row that was there when the file was recognised may be in a shard that turned out damaged.
      const read =
        content.kind === 'bytes' ? content : await readExample(example, memo, { signal: this.#finish.over });
      if (read.kind === 'unreadable') return this.#passOver(index, read.error);
      this.#writer ??= await this.#startComputing();
      const lacking = this.#stores.map((_, i) => found[i] === undefined);
      await this.#writer.add({ path: example.path, sha256: read.sha256, bytes: read.bytes, lacking });
    }
    return !isRepeat;
  }

  async #endGroup(): Promise<void> {
    this.#inGroup = 0;
    if (!this.#writer) return;
    await this.#writer.endGroup();
    // Another process may be ahead on the same list: what it has written need not be computed.
    for (const store of this.#stores) await store.refresh();
  }

  async #startComputing(): Promise<GroupWriter> {
    const { model, targets, examples } = this.#options;
    this.#layout = typeof model === 'function' ? await model() : undefined;
    const source = this.#layout?.source ?? (model as Uint8Array);
    const modelBytes = this.#layout?.sizeBytes ?? source.length;
    const views = [...new Set(targets.map(({ view }) => view))];
    const viewOf = targets.map(({ view }) => views.indexOf(view));
    const { pool, parcel } = openPool({
      ...this.#options,
      model: source,
      modelBytes,
      views,
      outputs: targets.map(({ store, output }, i) => ({ name: output, view: viewOf[i]!, dim: store.dim })),
      remaining: () => examples.length - this.#done,
    });
    this.#pool = pool;
    return new GroupWriter(this.#stores, pool, {
      batch: () => parcel(this.#pace.msPerExample(this.#done)),
      views: viewOf,
      onBatch: (count) => {
        this.#advance(count);
        this.#pace.note(this.#done);
      },
      onBroken: (path, reason) => this.#refuse(path, reason),
    });
  }

  #advance(count: number): void {
    this.#done += count;
    this.#options.onProgress?.({ done: this.#done, total: this.#options.examples.length });
  }

  /** An example that cannot be read counts in no group. */
  #passOver(index: number, error: GraftError): false {
    if (this.#options.onError === 'fail') throw error;
    this.#unreadable.set(index, error.message);
    this.#advance(1);
    return false;
  }

  /** What no row can be made of, which the stores remember, is skipped unless that is not wanted. */
  #refuse(path: string, reason: string): void {
    if (this.#options.onError !== 'fail') return;
    throw new GraftError(
      this.#options.input.kind === 'pixels' ? 'INVALID_IMAGE' : 'INVALID_TEXT',
      `Cannot use ${path}: ${reason} Repair or remove it, or pass --on-error skip.`,
    );
  }

  #interrupted(): GraftError {
    return new GraftError(
      'INTERRUPTED',
      `Interrupted after ${this.#done} of ${this.#options.examples.length} examples. Finished shards are kept: run the same command again to go on.`,
    );
  }

  #result(started: number): ExtractResult {
    const { examples } = this.#options;
    const computed = this.#writer?.computed ?? 0;
    const { skipped, keys } = collectRows({
      examples,
      stores: this.#stores,
      distinct: this.#distinct,
      ordinals: this.#ordinals,
      unreadable: this.#unreadable,
    });
    const seconds = (performance.now() - started) / 1000;
    return {
      computed,
      cached: examples.length - computed - skipped.length,
      skipped,
      seconds,
      examplesPerSecond: examples.length / seconds,
      ...(this.#pool && { division: { ...this.#pool.division, tried: this.#pool.tried } }),
      keys,
    };
  }
}
