/** Numbers one after another in a typed array that doubles when it is full: 1 to 8 bytes a number and no object. */

type NumberArray = Uint8Array | Int32Array | Uint32Array | Float64Array;

export class GrowingArray<T extends NumberArray> {
  #values: T;
  #length = 0;
  readonly #make: new (length: number) => T;

  /** @param make - the kind of array, such as `Uint32Array` */
  constructor(make: new (length: number) => T) {
    this.#make = make;
    this.#values = new make(64);
  }

  get length(): number {
    return this.#length;
  }

  /** @param index - from 0 to `length` - 1 */
  at(index: number): number {
    return this.#values[index]!;
  }

  push(value: number): void {
    this.#reserve(1);
    this.#values[this.#length++] = value;
  }

  /** Zeros up to `length`, where it is shorter. */
  extendTo(length: number): void {
    this.#reserve(length - this.#length);
    if (length > this.#length) this.#length = length;
  }

  /** Copies `values` to the end. */
  append(values: T): void {
    this.#reserve(values.length);
    this.#values.set(values, this.#length);
    this.#length += values.length;
  }

  /** What is there so far, a view that the next `push` may leave behind. */
  get values(): T {
    return this.#values.subarray(0, this.#length) as T;
  }

  /** Makes room for `count` more. */
  #reserve(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#values.length) return;
    const larger = new this.#make(Math.max(needed, this.#values.length * 2));
    larger.set(this.#values);
    this.#values = larger;
  }
}
