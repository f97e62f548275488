/**
 * Bounds the memory of images that are decoded but not yet used. While a model runs, libvips' threads go on and everything that
 * was asked for piles up: sixteen photos of 12 megapixels, 36 MB each, where small ones take nothing to speak of.
 */
export class PixelBudget {
  readonly #limit: number;
  #taken = 0;
  readonly #waiting: { readonly bytes: number; readonly pass: () => void }[] = [];

  /** @param limit - bytes */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Resolves, first come, first served, when so many bytes fit; what alone is above the limit goes alone. */
  async take(bytes: number): Promise<void> {
    if (this.#waiting.length > 0 || !this.#fits(bytes)) {
      await new Promise<void>((pass) => this.#waiting.push({ bytes, pass }));
    } else this.#taken += bytes;
  }

  /** Gives back what was taken. */
  give(bytes: number): void {
    this.#taken -= bytes;
    for (let next = this.#waiting[0]; next && this.#fits(next.bytes); next = this.#waiting[0]) {
      this.#taken += next.bytes;
      this.#waiting.shift();
      next.pass();
    }
  }

  #fits(bytes: number): boolean {
    return this.#taken === 0 || this.#taken + bytes <= this.#limit;
  }
}
