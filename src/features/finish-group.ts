/**
 * Whether to stop, once that was asked for. Rows are written by whole groups, which follow from the list alone: a shard of a part
 * of one would leave other files than a run that nobody stopped. So a group that is nearly done is finished, and one that would
 * take longer is given up.
 */
export class GroupFinish {
  readonly #signal: AbortSignal | undefined;
  readonly #limitMs: number;
  #deadline: number | undefined;

  /** @param limitMs - most that is spent on it */
  constructor(signal: AbortSignal | undefined, limitMs = 3000) {
    this.#signal = signal;
    this.#limitMs = limitMs;
  }

  /**
   * @param left - examples until the group at work ends; 0 where none is at work
   * @param msPerExample - as measured so far
   */
  mustStop(left: number, msPerExample: number): boolean {
    if (!this.#signal?.aborted) return false;
    const now = performance.now();
    this.#deadline ??= left * msPerExample <= this.#limitMs ? now + this.#limitMs : now;
    return left === 0 || now >= this.#deadline;
  }
}
