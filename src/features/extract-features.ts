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
import { readExample, readExamples } from './read-examples.js';
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
  const { examples, targets, onError = 'skip', onProgress, signal } = options;
  const stores = targets.map(({ store }) => store);
  if (stores.length === 0) throw invalidArgument('targets', 'a store or more', stores.length);
  for (const name of ['batch', 'threads', 'workers'] as const) {
    const value = options[name];
    if (value !== undefined && !(Number.isSafeInteger(value) && value > 0)) {
      throw invalidArgument(name, 'a whole number above 0', value);
    }
  }
  const started = performance.now();
  const widest = Math.max(...stores.map(({ dim }) => dim));
  const groupSize = Math.max(1, Math.min(shardRows, Math.floor(shardBytes / (4 * widest))));
  const unreadable = new Map<number, string>();
  /** Number of each example's key among the distinct ones. */
  const ordinals = new Uint32Array(examples.length);
  const distinct = new KeyIndex();
  let done = 0;
  const advance = (count: number) => {
    done += count;
    onProgress?.({ done, total: examples.length });
  };
  const passOver = (index: number, error: GraftError) => {
    if (onError === 'fail') throw error;
    unreadable.set(index, error.message);
    advance(1);
  };
  const refuse = (path: string, reason: string) =>
    new GraftError(
      options.input.kind === 'pixels' ? 'INVALID_IMAGE' : 'INVALID_TEXT',
      `Cannot use ${path}: ${reason} Repair or remove it, or pass --on-error skip.`,
    );

  const memo = await HashMemo.open(dirname(stores[0]!.folder), examples, { forget: options.rehash });
  const isWanted = (sha256: Uint8Array) => stores.some((store) => store.find(sha256) === undefined);

  const views = [...new Set(targets.map(({ view }) => view))];
  const viewOf = targets.map(({ view }) => views.indexOf(view));

  let layout: ModelLayout | undefined;
  let pool: TryingPool | undefined;
  let writer: GroupWriter | undefined;
  const finish = new GroupFinish(signal);
  const pace = new Pace();
  const startComputing = async () => {
    layout = typeof options.model === 'function' ? await options.model() : undefined;
    const source = layout?.source ?? (options.model as Uint8Array);
    const modelBytes = layout?.sizeBytes ?? source.length;
    const opened = openPool({
      ...options,
      model: source,
      modelBytes,
      views,
      outputs: targets.map(({ store, output }, i) => ({ name: output, view: viewOf[i]!, dim: store.dim })),
      remaining: () => examples.length - done,
    });
    pool = opened.pool;
    return new GroupWriter(stores, pool, {
      batch: () => opened.parcel(pace.msPerExample(done)),
      views: viewOf,
      onBatch(count) {
        advance(count);
        pace.note(done);
      },
      onBroken(path, reason) {
        if (onError === 'fail') throw refuse(path, reason);
      },
    });
  };

  try {
    let inGroup = 0;
    for await (const { index, content } of readExamples(examples, { memo, isWanted, signal: finish.over })) {
      const left = writer && inGroup > 0 ? groupSize - inGroup : 0;
      if (finish.mustStop(left, pace.msPerExample(done))) throw interrupted(done, examples.length);
      const example = examples.at(index)!;
      if (content.kind === 'unreadable') {
        passOver(index, content.error);
        continue;
      }
      const { sha256 } = content;
      const before = distinct.size;
      ordinals[index] = distinct.add(sha256);
      const isRepeat = distinct.size === before;
      const found = isRepeat ? [] : await Promise.all(stores.map((store) => store.findVerified(sha256)));
      const known = found.find((place) => place?.kind === 'skipped');
      if (known?.kind === 'skipped' && onError === 'fail') throw refuse(example.path, known.reason);
      if (!found.includes(undefined)) advance(1);
      else {
        // A row that was there when the file was recognised may be in a shard that turned out damaged.
        const read =
          content.kind === 'bytes' ? content : await readExample(example, memo, { signal: finish.over });
        if (read.kind === 'unreadable') {
          passOver(index, read.error);
          continue;
        }
        writer ??= await startComputing();
        const lacking = stores.map((_, i) => found[i] === undefined);
        await writer.add({ path: example.path, sha256: read.sha256, bytes: read.bytes, lacking });
      }
      if (!isRepeat && ++inGroup === groupSize) {
        inGroup = 0;
        await writer?.endGroup();
        // Another process may be ahead on the same list: what it has written need not be computed.
        if (writer) for (const store of stores) await store.refresh();
      }
    }
    await writer?.endGroup();
    await writer?.settle();
    await memo.save();
    if (signal?.aborted) throw interrupted(done, examples.length);
  } catch (error) {
    // Groups that were handed in completely are still finished, unless it was the computing that failed.
    await writer?.settle().catch(() => {});
    throw signal?.aborted ? interrupted(done, examples.length) : error;
  } finally {
    finish.end();
    await pool?.close();
    await layout?.release();
  }
  const computed = writer?.computed ?? 0;
  const { skipped, keys } = collectRows({ examples, stores, distinct, ordinals, unreadable });
  const seconds = (performance.now() - started) / 1000;
  return {
    computed,
    cached: examples.length - computed - skipped.length,
    skipped,
    seconds,
    examplesPerSecond: examples.length / seconds,
    ...(pool && { division: { ...pool.division, tried: pool.tried } }),
    keys,
  };
}

function interrupted(done: number, total: number): GraftError {
  return new GraftError(
    'INTERRUPTED',
    `Interrupted after ${done} of ${total} examples. Finished shards are kept: run the same command again to go on.`,
  );
}
