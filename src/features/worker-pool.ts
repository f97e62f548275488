/** Threads that compute features; started when there is work for them, each kept some batches ahead. */
import { Worker } from 'node:worker_threads';
import { GraftError, messageOf } from '../errors.js';
import { disableTelemetry } from '../runtime/load-onnxruntime.js';
import {
  type BatchFeatures,
  type BatchMessage,
  batchesPerWorker,
  type WorkerMessage,
  type WorkerSetup,
} from './worker-messages.js';

interface Pending {
  resolve(result: BatchFeatures): void;
  reject(error: unknown): void;
}

interface Seat {
  readonly worker: Worker;
  /** Batches that the worker has; a failure elsewhere rejects them, and leaves them here. */
  readonly pending: Map<number, Pending>;
  readonly exited: Promise<unknown>;
  /** Called when the worker has none left. */
  onIdle: () => void;
}

export interface PooledBatch {
  readonly examples: readonly Uint8Array<ArrayBuffer>[];
  readonly keys: readonly Uint8Array[];
  readonly views: readonly number[];
}

/** What takes batches and gives their features. */
export interface Pool {
  /** Batches that may be out at once. */
  readonly capacity: number;
  /** Resolves when a batch can be handed in. @throws what made a worker fail. */
  room(): Promise<void>;
  /** The examples' memory is handed over: do not touch it afterwards. */
  run(batch: PooledBatch): Promise<BatchFeatures>;
  /**
   * Lets the workers finish, release their sessions and end.
   * @param isWanted - false drops the batches that are not begun; who still waits for one is told INTERRUPTED
   */
  close(isWanted?: boolean): Promise<void>;
}

export class WorkerPool implements Pool {
  readonly #setup: WorkerSetup;
  readonly #size: number;
  readonly #closeTimeoutMs: number;
  readonly #seats: Seat[] = [];
  readonly #waiting: { resolve(): void; reject(error: unknown): void }[] = [];
  #nextId = 0;
  #failure: GraftError | undefined;
  #isClosing = false;

  /** @param closeTimeoutMs - how long a worker may take to end once it has no batch left */
  constructor(setup: WorkerSetup, size: number, closeTimeoutMs = 10_000) {
    this.#setup = setup;
    this.#size = size;
    this.#closeTimeoutMs = closeTimeoutMs;
  }

  get capacity(): number {
    return this.#size * batchesPerWorker;
  }

  async room(): Promise<void> {
    while (!this.#failure && this.#outstanding() >= this.capacity) {
      await new Promise<void>((resolve, reject) => this.#waiting.push({ resolve, reject }));
    }
    if (this.#failure) throw this.#failure;
  }

  /** Computes a batch on the least busy worker. */
  run(batch: PooledBatch): Promise<BatchFeatures> {
    if (this.#failure) return Promise.reject(this.#failure);
    const seat = this.#leastBusy();
    const message: BatchMessage = { id: this.#nextId++, ...batch };
    const result = new Promise<BatchFeatures>((resolve, reject) =>
      seat.pending.set(message.id, { resolve, reject }),
    );
    seat.worker.postMessage(
      message,
      batch.examples.map(({ buffer }) => buffer),
    );
    return result;
  }

  async close(isWanted = true): Promise<void> {
    this.#isClosing = true;
    await Promise.all(this.#seats.map((seat) => this.#end(seat, isWanted && !this.#failure)));
  }

  /**
   * A worker that does not end is ended, but not while it has a batch, however long that takes: where a thread
   * that runs a model is terminated, onnxruntime-node aborts the whole process.
   */
  async #end(seat: Seat, isWanted: boolean): Promise<void> {
    const { worker, pending, exited } = seat;
    worker.postMessage(isWanted ? 'close' : 'drop');
    if (pending.size > 0) {
      await Promise.race([exited, new Promise<void>((resolve) => (seat.onIdle = resolve))]);
    }
    const timer = setTimeout(() => void worker.terminate(), this.#closeTimeoutMs);
    await exited;
    clearTimeout(timer);
  }

  #outstanding(): number {
    return this.#seats.reduce((sum, { pending }) => sum + pending.size, 0);
  }

  #leastBusy(): Seat {
    const [first] = this.#seats.toSorted((a, b) => a.pending.size - b.pending.size);
    if (first && (first.pending.size === 0 || this.#seats.length === this.#size)) return first;
    return this.#start();
  }

  #start(): Seat {
    disableTelemetry();
    const worker = new Worker(new URL('../features/extract-worker.js', import.meta.url), {
      workerData: this.#setup,
    });
    const pending = new Map<number, Pending>();
    const exited = new Promise((resolve) => worker.once('exit', resolve));
    const seat: Seat = { worker, pending, exited, onIdle() {} };
    worker.on('message', (message: WorkerMessage) => {
      if (message.kind === 'failed') this.#fail(new GraftError(message.code, message.message));
      else {
        pending.get(message.id)?.resolve(message);
        this.#waiting.shift()?.resolve();
      }
      if (message.id !== undefined) pending.delete(message.id);
      if (pending.size === 0) seat.onIdle();
    });
    worker.once('error', (error) => {
      this.#fail(new GraftError('RUNTIME_FAILURE', crashMessage(error), { cause: error }));
    });
    worker.once('exit', (code) => {
      if (this.#isClosing && pending.size === 0) return;
      this.#fail(new GraftError('RUNTIME_FAILURE', crashMessage(`it ended with status ${code}`)));
    });
    this.#seats.push(seat);
    return seat;
  }

  #fail(error: GraftError): void {
    this.#failure ??= error;
    for (const { pending } of this.#seats) {
      for (const { reject } of pending.values()) reject(this.#failure);
    }
    for (const { reject } of this.#waiting.splice(0)) reject(this.#failure);
  }
}

function crashMessage(cause: unknown): string {
  const isMemory = (cause as NodeJS.ErrnoException).code === 'ERR_WORKER_OUT_OF_MEMORY';
  const remedy = isMemory
    ? 'Use fewer workers (--threads) or smaller batches (--batch).'
    : 'Try again with --threads 1.';
  return `A thread that runs the model stopped: ${messageOf(cause).replace(/\.$/, '')}. ${remedy}`;
}
