/**
 * Batches computed in the calling thread: one thread less to start, which takes 0.2 s of a core, and the only one where few
 * examples are to be computed. Every run of the model blocks this thread; between runs it does its other work.
 */
import type { BatchComputer } from './batch-computer.js';
import type { Seat } from './seat.js';
import { type Batch, type BatchFeatures, batchesPerWorker, type WorkerSetup } from './worker-messages.js';

/** A longer run would hold up files, progress and Ctrl-C noticeably. */
const patienceMs = 100;

export class OwnSeat implements Seat {
  readonly #opening: Promise<BatchComputer>;
  #outstanding = 0;
  /** Of the fastest run; the first one is slower than others. */
  #runMs: number | undefined;

  constructor(setup: WorkerSetup) {
    // Not every command computes features.
    this.#opening = import('./batch-computer.js').then(({ BatchComputer }) => BatchComputer.open(setup));
    this.#opening.catch(() => {});
  }

  get limit(): number {
    if (this.#runMs === undefined) return 1;
    return this.#runMs > patienceMs ? 0 : batchesPerWorker;
  }

  get outstanding(): number {
    return this.#outstanding;
  }

  async compute(batch: Batch): Promise<BatchFeatures> {
    this.#outstanding++;
    try {
      const computer = await this.#opening;
      const features = await computer.compute(batch);
      this.#runMs = computer.fastestRunMs ?? this.#runMs;
      return features;
    } finally {
      this.#outstanding--;
    }
  }

  async close(drop: boolean): Promise<void> {
    await this.#opening.then((computer) => computer.close(drop)).catch(() => {});
  }
}
