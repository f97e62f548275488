/** How fast a task goes now: over the last seconds, so that what was done at once (found in the cache) is soon forgotten. */

/** Long enough to be steady, short enough to follow. */
const windowMs = 10_000;

export class RateMeter {
  readonly #samples: { readonly atMs: number; readonly done: number }[] = [];

  /** Items a second; 0 until two moments are known. @param atMs - any clock that never goes back */
  add(done: number, atMs: number): number {
    this.#samples.push({ atMs, done });
    // One sample from before the window stays: otherwise slow tasks would have nothing to compare with.
    while (this.#samples.length > 2 && this.#samples[1]!.atMs <= atMs - windowMs) this.#samples.shift();
    const [first] = this.#samples;
    const seconds = (atMs - first!.atMs) / 1000;
    return seconds > 0 ? Math.max(0, done - first!.done) / seconds : 0;
  }
}
