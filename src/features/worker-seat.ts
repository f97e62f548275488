/** Batches computed in a thread of their own. */
import { Worker } from 'node:worker_threads';
import { GraftError } from '../errors.js';
import { disableTelemetry } from '../runtime/load-onnxruntime.js';
import { computingFailure } from './computing-failure.js';
import type { Seat } from './seat.js';
import {
  type Batch,
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

export interface WorkerSeatOptions {
  /** How long the thread may take to end once it has no batch left; default 10 s. */
  readonly closeTimeoutMs?: number | undefined;
  /** Called where the thread ends before it is closed. */
  onCrash(error: GraftError): void;
}

export class WorkerSeat implements Seat {
  readonly limit = batchesPerWorker;
  readonly #worker: Worker;
  readonly #closeTimeoutMs: number;
  readonly #pending = new Map<number, Pending>();
  readonly #exited: Promise<unknown>;
  #nextId = 0;
  #isClosing = false;
  /** Called when the worker has no batch left. */
  #onIdle = () => {};

  constructor(setup: WorkerSetup, { closeTimeoutMs = 10_000, onCrash }: WorkerSeatOptions) {
    disableTelemetry();
    this.#closeTimeoutMs = closeTimeoutMs;
    const worker = new Worker(new URL('../features/extract-worker.js', import.meta.url), {
      workerData: setup,
    });
    this.#worker = worker;
    this.#exited = new Promise((resolve) => worker.once('exit', resolve));
    worker.on('message', (message: WorkerMessage) => this.#settle(message));
    const stopped = 'A thread that runs the model stopped';
    worker.once('error', (error) => onCrash(computingFailure(error, stopped)));
    worker.once('exit', (code) => {
      if (this.#isClosing && this.#pending.size === 0) return;
      onCrash(computingFailure(new Error(`it ended with status ${code}`), stopped));
    });
  }

  get outstanding(): number {
    return this.#pending.size;
  }

  compute(batch: Batch): Promise<BatchFeatures> {
    const message: BatchMessage = { id: this.#nextId++, ...batch };
    return new Promise<BatchFeatures>((resolve, reject) => {
      this.#pending.set(message.id, { resolve, reject });
      this.#worker.postMessage(
        message,
        batch.examples.map(({ buffer }) => buffer),
      );
    });
  }

  /**
   * A worker that does not end is ended, but not while it has a batch, however long that takes: where a thread
   * that runs a model is terminated, onnxruntime-node aborts the whole process.
   */
  async close(drop: boolean): Promise<void> {
    this.#isClosing = true;
    this.#worker.postMessage(drop ? 'drop' : 'close');
    if (this.#pending.size > 0) {
      await Promise.race([this.#exited, new Promise<void>((resolve) => (this.#onIdle = resolve))]);
    }
    const timer = setTimeout(() => void this.#worker.terminate(), this.#closeTimeoutMs);
    await this.#exited;
    clearTimeout(timer);
  }

  #settle(message: WorkerMessage): void {
    const pending = this.#pending.get(message.id);
    this.#pending.delete(message.id);
    if (message.kind === 'done') pending?.resolve(message);
    else pending?.reject(new GraftError(message.code, message.message));
    if (this.#pending.size === 0) this.#onIdle();
  }
}
