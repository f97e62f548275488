/**
 * Numbers of names, in the order in which they are met. Names that Unicode holds to be the same text are one: "é" as one
 * character, or as macOS writes it in folders, an "e" with an accent behind it. They are kept composed (NFC).
 */
export class NameNumbers {
  /** By each spelling that was met. */
  readonly #numbers = new Map<string, number>();
  readonly #composed = new Map<string, number>();
  readonly #spelledTwice = new Set<string>();

  get names(): string[] {
    return [...this.#composed.keys()];
  }

  /** Names that were met in several spellings. */
  get spelledTwice(): string[] {
    return [...this.#spelledTwice];
  }

  has(name: string): boolean {
    return this.#composed.has(name.normalize());
  }

  numberOf(name: string): number {
    const known = this.#numbers.get(name);
    if (known !== undefined) return known;
    const composed = name.normalize();
    let number = this.#composed.get(composed);
    if (number === undefined) this.#composed.set(composed, (number = this.#composed.size));
    else this.#spelledTwice.add(composed);
    this.#numbers.set(name, number);
    return number;
  }
}
