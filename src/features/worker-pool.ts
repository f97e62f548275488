/** Sessions that compute features at once, in threads; started when there is work for them, each kept some batches ahead. */
import { GraftError } from '../errors.js';
import { computingFailure } from './computing-failure.js';
import { OwnSeat } from './own-seat.js';
import type { Seat } from './seat.js';
import { type Batch, type BatchFeatures, batchesPerWorker, type WorkerSetup } from './worker-messages.js';
import { WorkerSeat } from './worker-seat.js';

/** What takes batches and gives their features. */
export interface Pool {
  /** Batches that may be out at once. */
  readonly capacity: number;
  /** Resolves when a batch can be handed in. @throws what made a worker fail. */
  room(): Promise<void>;
  /** The examples' memory is handed over: do not touch it afterwards. */
  run(batch: Batch): Promise<BatchFeatures>;
  /**
   * Lets the workers finish, release their sessions and end.
   * @param isWanted - false drops the batches that are not begun; who still waits for one is told INTERRUPTED
   */
  close(isWanted?: boolean): Promise<void>;
}

export interface WorkerPoolOptions {
  /** Sessions at once, each in a thread. */
  readonly size: number;
  /** Whether one of the threads is the caller's, as long as no run of the model blocks it noticeably. */
  readonly usesCaller: boolean;
  /** How long a worker may take to end once it has no batch left; default 10 s. */
  readonly closeTimeoutMs?: number;
}

interface Task {
  readonly batch: Batch;
  resolve(result: BatchFeatures): void;
  reject(error: unknown): void;
}

export class WorkerPool implements Pool {
  readonly #setup: WorkerSetup;
  readonly #options: WorkerPoolOptions;
  readonly #seats: Seat[] = [];
  #hasUsedCaller = false;
  /** The calling thread's session is released as soon as it takes no more: a large model would be in memory once too often. */
  #retiring: Promise<void> = Promise.resolve();
  /** What was handed in and is not back. */
  readonly #tasks = new Set<Task>();
  /** Those of them that no seat has yet. */
  readonly #queue: Task[] = [];
  /** Called when a task is back, or something failed. */
  readonly #waiting: (() => void)[] = [];
  #failure: GraftError | undefined;

  constructor(setup: WorkerSetup, options: WorkerPoolOptions) {
    this.#setup = setup;
    this.#options = options;
  }

  get capacity(): number {
    return this.#options.size * batchesPerWorker;
  }

  async room(): Promise<void> {
    await this.#until(() => this.#tasks.size < this.capacity);
    if (this.#failure) throw this.#failure;
  }

  run(batch: Batch): Promise<BatchFeatures> {
    if (this.#failure) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      const task = { batch, resolve, reject };
      this.#tasks.add(task);
      this.#queue.push(task);
      this.#feed();
    });
  }

  async close(isWanted = true): Promise<void> {
    if (isWanted) await this.#until(() => this.#tasks.size === 0);
    const drop = this.#tasks.size > 0;
    this.#fail(new GraftError('INTERRUPTED', 'The batch was dropped.'));
    await Promise.all([this.#retiring, ...this.#seats.map((seat) => seat.close(drop))]);
  }

  async #until(isSo: () => boolean): Promise<void> {
    while (!this.#failure && !isSo()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Hands out what waits, as far as there is a seat for it. */
  #feed(): void {
    while (this.#queue.length > 0) {
      const seat = this.#freeSeat();
      if (!seat) return;
      const task = this.#queue.shift()!;
      seat.compute(task.batch).then(
        (features) => {
          if (seat.limit === 0) this.#retire(seat);
          this.#settle(task, features);
        },
        (error: unknown) => this.#fail(computingFailure(error)),
      );
    }
  }

  #retire(seat: Seat): void {
    const place = this.#seats.indexOf(seat);
    if (place < 0) return;
    this.#seats.splice(place, 1);
    this.#retiring = seat.close(false);
  }

  #settle(task: Task, features: BatchFeatures): void {
    this.#tasks.delete(task);
    task.resolve(features);
    this.#feed();
    this.#wake();
  }

  /** The least busy one; a new one where none is idle. */
  #freeSeat(): Seat | undefined {
    const [least] = this.#seats
      .filter(({ limit, outstanding }) => outstanding < limit)
      .toSorted((a, b) => a.outstanding - b.outstanding);
    if (least?.outstanding === 0 || this.#seats.length === this.#options.size) return least;
    const seat = this.#openSeat();
    this.#seats.push(seat);
    return seat;
  }

  #openSeat(): Seat {
    const { size, usesCaller, closeTimeoutMs } = this.#options;
    // Threads first: they start while this one works.
    if (usesCaller && !this.#hasUsedCaller && this.#seats.length === size - 1) {
      this.#hasUsedCaller = true;
      return new OwnSeat(this.#setup);
    }
    return new WorkerSeat(this.#setup, { closeTimeoutMs, onCrash: (error) => this.#fail(error) });
  }

  #fail(error: GraftError): void {
    this.#failure ??= error;
    this.#queue.length = 0;
    for (const { reject } of this.#tasks) reject(this.#failure);
    this.#tasks.clear();
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}
