/**
 * Whether to stop, once that was asked for. Rows are written by whole groups, which follow from the list alone: a shard of a part
 * of one would leave other files than a run that nobody stopped. So a group that is nearly done is finished, and one that would
 * take longer is given up.
 */
export class GroupFinish {
  readonly #signal: AbortSignal | undefined;
  readonly #limitMs: number;
  #deadline: number | undefined;
  readonly #over = new AbortController();
  #timer: NodeJS.Timeout | undefined;

  /** @param limitMs - most that is spent on it */
  constructor(signal: AbortSignal | undefined, limitMs = 3000) {
    this.#signal = signal;
    this.#limitMs = limitMs;
    signal?.addEventListener('abort', this.#begin);
    if (signal?.aborted) this.#begin();
  }

  /** Aborted when nothing is waited for any more, as by then no example may have come for long. */
  get over(): AbortSignal {
    return this.#over.signal;
  }

  /** To be called in any case. */
  end(): void {
    clearTimeout(this.#timer);
    this.#signal?.removeEventListener('abort', this.#begin);
  }

  /**
   * @param left - examples until the group at work ends; 0 where none is at work
   * @param msPerExample - as measured so far
   */
  mustStop(left: number, msPerExample: number): boolean {
    if (!this.#signal?.aborted) return false;
    if (this.over.aborted) return true;
    const now = performance.now();
    this.#deadline ??= left * msPerExample <= this.#limitMs ? now + this.#limitMs : now;
    return left === 0 || now >= this.#deadline;
  }

  readonly #begin = (): void => {
    this.#timer ??= setTimeout(() => this.#over.abort(), this.#limitMs);
  };
}
