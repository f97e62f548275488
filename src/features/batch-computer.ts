/**
 * Turns batches of examples into features. The model's `run` blocks the thread, so the next batches' decoding is started
 * before.
 */
import { GraftError, messageOf } from '../errors.js';
import type { EncodedExamples } from '../inputs/encoded-examples.js';
import { openOnProvider } from '../runtime/open-on-provider.js';
import type { Session } from '../runtime/session.js';
import type { Tensor } from '../tensor/tensor.js';
import { type EncodeBatch, type EncodedBatch, openBatchEncoder } from './encode-batch.js';
import type { Batch, BatchFeatures, WorkerSetup } from './worker-messages.js';

export class BatchComputer {
  readonly #setup: WorkerSetup;
  readonly #opening: Promise<Session>;
  readonly #encode: EncodeBatch;
  #tail: Promise<unknown> = Promise.resolve();
  /** Whether batches that are not begun are wanted no more. */
  #isDropping = false;
  #fastestRunMs: number | undefined;

  private constructor(setup: WorkerSetup, opening: Promise<Session>, encode: EncodeBatch) {
    this.#setup = setup;
    this.#opening = opening;
    this.#encode = encode;
  }

  /**
   * The session goes on being opened; that it cannot be is told by the first batch.
   * @throws GraftError INVALID_TOKENIZER
   */
  static async open(setup: WorkerSetup): Promise<BatchComputer> {
    const { model, provider, threads } = setup;
    // A slice of shared memory is a copy in memory of our own, which is what onnxruntime takes.
    const opening = openOnProvider(
      typeof model === 'string' ? model : new Uint8Array(model).slice(),
      provider,
      threads === undefined ? {} : { threads },
    );
    opening.catch(() => {});
    return new BatchComputer(setup, opening, await openBatchEncoder(setup));
  }

  /** Milliseconds of the fastest run of the model; undefined before the first. */
  get fastestRunMs(): number | undefined {
    return this.#fastestRunMs;
  }

  /**
   * Batches are run in the order of the calls.
   * @throws GraftError INVALID_MODEL, UNSUPPORTED_MODEL, RUNTIME_FAILURE, or INTERRUPTED where it was dropped
   */
  compute(batch: Batch): Promise<BatchFeatures> {
    const encoding = this.#encode(batch);
    // It is heard when its turn comes.
    encoding.catch(() => {});
    const result = this.#tail.then(async () => this.#run(await this.#opening, await encoding));
    this.#tail = result.catch(() => {});
    return result;
  }

  /** Releases the session after the batches; `drop` lets those that are not begun fail with INTERRUPTED. */
  async close(drop: boolean): Promise<void> {
    this.#isDropping ||= drop;
    await this.#tail;
    await this.#opening.then((session) => session.release()).catch(() => {});
  }

  async #run(session: Session, { count, views, broken, cut }: EncodedBatch): Promise<BatchFeatures> {
    if (this.#isDropping) throw new GraftError('INTERRUPTED', 'The batch was dropped.');
    const { outputs, perRun } = this.#setup;
    const features = outputs.map(({ dim, view }) => new Float32Array(views.has(view) ? count * dim : 0));
    for (const [view, examples] of views) {
      for (let start = 0; start < examples.count;) {
        const end = start + examples.together(start, perRun);
        await this.#runExamples(session, examples, start, end, view, features);
        start = end;
      }
    }
    return { features, broken, cut };
  }

  /** Places `start` to `end` of one view of the batch. Where the memory does not suffice for so many at once, in halves. */
  async #runExamples(
    session: Session,
    examples: EncodedExamples,
    start: number,
    end: number,
    view: number,
    features: readonly Float32Array[],
  ): Promise<void> {
    let outputs: Readonly<Record<string, Tensor>>;
    try {
      const feeds = examples.feeds(start, end);
      const started = performance.now();
      outputs = await session.run(feeds);
      this.#fastestRunMs = Math.min(this.#fastestRunMs ?? Infinity, performance.now() - started);
    } catch (error) {
      if (end - start === 1 || !isOutOfMemory(error)) throw error;
      const middle = (start + end) >> 1;
      await this.#runExamples(session, examples, start, middle, view, features);
      return this.#runExamples(session, examples, middle, end, view, features);
    }
    for (const [i, { name, dim, view: own }] of this.#setup.outputs.entries()) {
      if (own !== view) continue;
      const { dtype, dims, data } = outputs[name ?? session.outputNames[0]!]!;
      if (!(data instanceof Float32Array) || data.length !== (end - start) * dim) {
        throw new GraftError(
          'UNSUPPORTED_MODEL',
          `Expected features of float32 [${end - start},${dim}] but the model gives ${dtype} [${dims}].`,
        );
      }
      for (let place = start; place < end; place++) {
        const row = data.subarray((place - start) * dim, (place - start + 1) * dim);
        features[i]!.set(row, examples.order[place]! * dim);
      }
    }
  }
}

/** onnxruntime says it in words only, on the CPU and on CUDA. */
function isOutOfMemory(error: unknown): boolean {
  return /failed to allocate|out of memory|bad allocation|bad_alloc|CUBLAS_STATUS_ALLOC_FAILED/i.test(
    messageOf(error),
  );
}
