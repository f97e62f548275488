/** Of file calls that block their thread: this long on average of late is still quick. */
const quickMs = 0.5;
/** What of the average the last call makes. On a busy machine a thread now and then waits some milliseconds for its turn. */
const share = 1 / 16;
/** Questions answered with no before a blocking call is tried again. */
const restCalls = 256;

/**
 * Whether to ask the file system in the calling thread. A small file that lies in memory is read there in 0.01 ms, and in
 * 0.1 ms of processor time by way of Node's thread pool. Where an answer takes longer (a network, a disk that seeks), the
 * thread pool lets many calls wait at once, and the caller does something else.
 */
export class ReadPace {
  #averageMs = 0;
  #rest = 0;

  /** Whether the next call may block. To be asked before each one. */
  mayBlock(): boolean {
    if (this.#rest === 0) return true;
    this.#rest--;
    return false;
  }

  /** Makes a blocking call and notes how long it took. */
  timed<Result>(blocking: () => Result): Result {
    const started = performance.now();
    try {
      return blocking();
    } finally {
      this.took(performance.now() - started);
    }
  }

  /** Notes how long a blocking call took. */
  took(milliseconds: number): void {
    this.#averageMs += share * (milliseconds - this.#averageMs);
    if (this.#averageMs <= quickMs) return;
    this.#rest = restCalls;
    this.#averageMs = quickMs / 2;
  }
}
