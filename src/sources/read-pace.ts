/**
 * Whether a disk answers at once, so that one may wait for it. A read in Node's thread pool takes 0.1 ms of processor time more
 * than the read itself, in two threads; from a disk, or over a network, it lets others go on meanwhile. Which of them a file is
 * on, and whether the system holds it in memory, shows when it is read.
 */
export class ReadPace {
  /** Calls that go to the thread pool before the next one that may hold up this thread. */
  #patience: number;
  /** Calls that held it up since the last slow one. */
  #quick = 0;
  /** What a slow one costs. */
  #penalty = 1;

  /** @param patience - calls before the disk is first tried; Infinity: this thread is never held up */
  constructor(patience = 1) {
    this.#patience = patience;
  }

  /** What `now` gives where the disk is quick, else what `later` does. */
  async take<T>(now: () => T, later: () => Promise<T>): Promise<T> {
    if (this.#patience > 0) {
      this.#patience--;
      return later();
    }
    const started = performance.now();
    try {
      return now();
    } finally {
      this.#note(performance.now() - started);
    }
  }

  #note(milliseconds: number): void {
    if (milliseconds < slowMs) {
      // Only what waits for the thread pool lets signals and timers have their turn.
      if (++this.#quick % longestRow === 0) this.#patience = 1;
      return;
    }
    // A single one may be of a thread that had to wait for a processor.
    this.#penalty = this.#quick < longestRow ? Math.min(4 * this.#penalty, mostPatience) : 1;
    this.#patience = this.#penalty;
    this.#quick = 0;
  }
}

/** Far above what memory takes; a disk that spins takes longer, and a network mostly. */
const slowMs = 0.5;
/** As many reads as are begun ahead: of a slow disk's, one of 64 is waited for. */
const mostPatience = 64;
/** Calls in a row that hold up the thread. */
const longestRow = 32;
