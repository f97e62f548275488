/** Gives every name out once: as it is wanted where that is free, else with a number, `x_1`, `x_2`, … */
export class UniqueNames {
  readonly #taken: Set<string>;
  readonly #wanted: ReadonlySet<string>;
  readonly #lastNumber = new Map<string, number>();

  /**
   * @param taken - names that are in use already
   * @param wanted - names that will be asked for as they are, so that no numbered name may take them
   */
  constructor({ taken = [], wanted = [] }: { taken?: Iterable<string>; wanted?: Iterable<string> } = {}) {
    this.#taken = new Set(taken);
    this.#wanted = new Set(wanted);
  }

  take(wanted: string): string {
    let name = wanted;
    let number = this.#lastNumber.get(wanted) ?? 0;
    while (name === '' || this.#taken.has(name) || (name !== wanted && this.#wanted.has(name))) {
      name = `${wanted}_${++number}`;
    }
    this.#lastNumber.set(wanted, number);
    this.#taken.add(name);
    return name;
  }
}
