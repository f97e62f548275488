/**
 * Ways to divide the cores among sessions, tried on the work itself while it goes on: the fastest does the rest.
 *
 * Which one is differs between models and processors (two sessions of one thread did NanoDet 1.35 and UltraFace 1.7 times
 * as fast as one of two, on two real cores; on two halves of one core they are nearly equal), and measuring beforehand
 * would cost a short run more than the best way gains it. Only where much is left is another way than the first tried.
 */
import type { Division } from './plan-workers.js';
import type { Batch, BatchFeatures } from './worker-messages.js';
import type { Pool } from './worker-pool.js';

export interface TryingPoolOptions {
  open(division: Division): Pool;
  /** The first one is expected to be the best; of one alone there is nothing to try. */
  readonly divisions: readonly Division[];
  /** Examples that are still to come, at most. */
  remaining(): number;
  /** How long each way is measured; default 3. */
  readonly trialSeconds?: number;
  /** What must be left, at the rate of the first way, for others to be tried; default 60. */
  readonly worthSeconds?: number;
}

interface Trial {
  readonly division: Division;
  readonly pool: Pool;
  /** Batches that have not come back. */
  outstanding: number;
  /** Batches that have. */
  returned: number;
  /** Since when it is measured, by the clock of `performance.now`. */
  since: number | undefined;
  /** Examples since then. */
  examples: number;
  /** Examples a second, once it is known. */
  rate: number | undefined;
}

/** A way must be so much faster to be taken instead: less may be chance. */
const clearly = 1.05;

export class TryingPool implements Pool {
  readonly #options: TryingPoolOptions;
  readonly #trials: Trial[] = [];
  readonly #closing = new Map<Trial, Promise<void>>();
  #current: Trial;
  #isSettled: boolean;

  constructor(options: TryingPoolOptions) {
    this.#options = options;
    this.#current = this.#begin(options.divisions[0]!);
    this.#isSettled = options.divisions.length === 1;
  }

  /** The way that is in use. */
  get division(): Division {
    return this.#current.division;
  }

  /** How many ways were measured, the first one included. */
  get tried(): number {
    return this.#trials.filter(({ rate }) => rate !== undefined).length;
  }

  get capacity(): number {
    return this.#current.pool.capacity;
  }

  room(): Promise<void> {
    return this.#current.pool.room();
  }

  async run(batch: Batch): Promise<BatchFeatures> {
    const trial = this.#current;
    const count = batch.examples.length;
    trial.outstanding++;
    try {
      return await trial.pool.run(batch);
    } finally {
      trial.outstanding--;
      if (!this.#isSettled) this.#note(trial, count);
    }
  }

  async close(): Promise<void> {
    this.#isSettled = true;
    // What is still out now is of work that failed or was interrupted.
    for (const trial of this.#trials) this.#close(trial, false);
    await Promise.all(this.#closing.values());
  }

  /** What is still out with it comes back before, if it is wanted. */
  #close(trial: Trial, isWanted = true): void {
    if (!this.#closing.has(trial)) this.#closing.set(trial, trial.pool.close(isWanted));
  }

  #begin(division: Division): Trial {
    const pool = this.#options.open(division);
    const trial = { division, pool, outstanding: 0, returned: 0, examples: 0 };
    this.#trials.push({ ...trial, since: undefined, rate: undefined });
    return this.#trials.at(-1)!;
  }

  #note(trial: Trial, count: number): void {
    trial.returned++;
    const { trialSeconds = 3, worthSeconds = 60 } = this.#options;
    const now = performance.now();
    if (trial !== this.#current) return;
    if (trial.since === undefined) {
      // Every session has been opened and run, and the way before has left the cores.
      const isAlone = this.#trials.every((other) => other === trial || other.outstanding === 0);
      if (isAlone && trial.returned >= 2 * trial.division.workers) trial.since = now;
      return;
    }
    trial.examples += count;
    const seconds = (now - trial.since) / 1000;
    if (seconds < trialSeconds) return;
    trial.rate = trial.examples / seconds;
    const next = this.#options.divisions[this.#trials.length];
    if (next && this.#options.remaining() / trial.rate >= worthSeconds) this.#current = this.#begin(next);
    else this.#settle();
  }

  #settle(): void {
    this.#isSettled = true;
    const [first, ...others] = this.#trials;
    let best = first!;
    for (const trial of others) if ((trial.rate ?? 0) > clearly * best.rate!) best = trial;
    this.#current = best;
    for (const trial of this.#trials) if (trial !== best) this.#close(trial);
  }
}
