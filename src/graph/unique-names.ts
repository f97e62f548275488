/** Gives every name out once: as it is wanted where that is free, else with a number, `x_1`, `x_2`, … */
export class UniqueNames {
  readonly #given = new Set<string>();
  readonly #avoided: ReadonlySet<string>;
  readonly #lastNumber = new Map<string, number>();

  /** @param avoided - names that others want as they are, so that no numbered name may take them */
  constructor(avoided: Iterable<string> = []) {
    this.#avoided = new Set(avoided);
  }

  take(wanted: string): string {
    let name = wanted;
    let number = this.#lastNumber.get(wanted) ?? 0;
    while (name === '' || this.#given.has(name) || (name !== wanted && this.#avoided.has(name))) {
      name = `${wanted}_${++number}`;
    }
    this.#lastNumber.set(wanted, number);
    this.#given.add(name);
    return name;
  }
}
