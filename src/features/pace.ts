/** How long an example takes by the clock, all workers at work: since the first came back, until when models are opened. */
export class Pace {
  #first: { readonly at: number; readonly done: number } | undefined;

  /** @param done - examples that are done, each time that some came back */
  note(done: number): void {
    this.#first ??= { at: performance.now(), done };
  }

  /** NaN before others came back than the first. */
  msPerExample(done: number): number {
    const first = this.#first;
    return first && done > first.done ? (performance.now() - first.at) / (done - first.done) : Number.NaN;
  }
}
