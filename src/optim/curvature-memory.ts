/**
 * What L-BFGS remembers of an objective's curvature, and the direction that follows from it: the two-loop recursion of
 * Nocedal & Wright, Numerical Optimization, 2nd ed., algorithm 7.4, on coefficients instead of vectors (Chen, Wang, Zhou,
 * Large-scale L-BFGS using MapReduce, 2014).
 *
 * The recursion meets vectors through their products alone. Those of the pairs are kept; one pass over the memory gives
 * those of a new pair and of the gradient, a second one adds the vectors up. The plain recursion takes four.
 */
import type { VectorSpace } from './vector-space.js';

/** A step s and the change y of the gradient along it. */
export interface CurvaturePair {
  readonly s: Float64Array;
  readonly y: Float64Array;
  readonly sy: number;
  readonly yy: number;
}

/** A pair in the memory of the kernels. */
interface Slot extends CurvaturePair {
  readonly index: number;
}

/** Products of a pair that `pairProducts` gives. */
const products = 5;

export class CurvatureMemory {
  readonly #space: VectorSpace;
  readonly #capacity: number;
  /** By index; taken from the space as they are needed. */
  readonly #vectors: { readonly s: Float64Array; readonly y: Float64Array }[] = [];
  /** The oldest first. */
  #slots: Slot[] = [];
  /** Those of them whose products are not known yet. */
  #fresh: Slot[] = [];
  /** s · y and y · y by the slots' indices: [capacity, capacity]. */
  readonly #sy: Float64Array;
  readonly #yy: Float64Array;
  /** For the kernels: where the pairs lie, [capacity, 2], their coefficients, [capacity, 2], and products, [capacity, 5]. */
  readonly #addresses: Uint32Array;
  readonly #factors: Float64Array;
  readonly #products: Float64Array;

  /** What it takes from its space. */
  static needs(capacity: number): { readonly vectors: number; readonly bytes: number } {
    return { vectors: 2 * capacity, bytes: 8 * capacity * (3 + products) };
  }

  /**
   * @param capacity - pairs that are remembered, at least one
   * @param pairs - copied, the oldest first; of more than `capacity` the last ones count
   */
  constructor(space: VectorSpace, capacity: number, pairs: readonly CurvaturePair[] = []) {
    this.#space = space;
    this.#capacity = capacity;
    const memory = space.kernels.buffer();
    this.#addresses = new Uint32Array(memory, space.takeBytes(8 * capacity), 2 * capacity);
    this.#factors = new Float64Array(memory, space.takeBytes(16 * capacity), 2 * capacity);
    this.#products = new Float64Array(memory, space.takeBytes(8 * products * capacity), products * capacity);
    this.#sy = new Float64Array(capacity ** 2);
    this.#yy = new Float64Array(capacity ** 2);
    for (const { s, y, sy, yy } of pairs.slice(Math.max(0, pairs.length - capacity))) {
      const slot = this.#nextSlot();
      slot.s.set(s);
      slot.y.set(y);
      this.#keep({ ...slot, sy, yy });
    }
  }

  /** The oldest first; their memory is used again. */
  get pairs(): readonly CurvaturePair[] {
    return this.#slots;
  }

  clear(): void {
    this.#slots = [];
    this.#fresh = [];
  }

  /**
   * Remembers a step and what it did to the gradient, unless no curvature shows along it; forgets the oldest.
   * All vectors are of the space.
   */
  add(x: Float64Array, xBefore: Float64Array, gradient: Float64Array, gradientBefore: Float64Array): void {
    const slot = this.#nextSlot();
    const vectors = [x, xBefore, gradient, gradientBefore, slot.s, slot.y, this.#products];
    this.#space.kernels.curvaturePair(this.#space.length, ...vectors.map(({ byteOffset }) => byteOffset));
    const [sy, yy] = this.#products as unknown as readonly [number, number];
    if (sy > 1e-10 * yy) this.#keep({ ...slot, sy, yy });
  }

  /** into = -H g, with H the inverse of the curvature as far as it is known; both vectors are of the space. */
  direction(gradient: Float64Array, into: Float64Array): void {
    const slots = this.#slots;
    const newest = slots.at(-1);
    const m = this.#capacity;
    const [ofS, ofY, alphas] = [new Float64Array(m), new Float64Array(m), new Float64Array(m)];
    let scale = 1;
    if (newest) {
      slots.forEach(({ s, y }, i) => this.#addresses.set([s.byteOffset, y.byteOffset], 2 * i));
      const [sg, yg] = this.#learn(gradient, newest);
      for (const { index, sy } of slots.toReversed()) {
        let sq = -sg[index]!;
        for (const { index: j } of slots) sq += ofY[j]! * this.#sy[index * m + j]!;
        alphas[index] = sq / sy;
        ofY[index]! -= alphas[index];
      }
      scale = newest.sy / newest.yy;
      for (const { index } of slots) ofY[index]! *= scale;
      for (const { index, sy } of slots) {
        let yq = -scale * yg[index]!;
        for (const { index: j } of slots) {
          yq += ofY[j]! * this.#yy[index * m + j]! + ofS[j]! * this.#sy[j * m + index]!;
        }
        ofS[index]! += alphas[index]! - yq / sy;
      }
    }
    slots.forEach(({ index }, i) => this.#factors.set([ofS[index]!, ofY[index]!], 2 * i));
    this.#space.kernels.addPairs(
      this.#space.length,
      slots.length,
      this.#addresses.byteOffset,
      this.#factors.byteOffset,
      -scale,
      gradient.byteOffset,
      into.byteOffset,
    );
  }

  /** A slot that is free, or the oldest one's, which is then forgotten. */
  #nextSlot(): Omit<Slot, 'sy' | 'yy'> {
    if (this.#slots.length === this.#capacity) {
      const { index, s, y } = this.#slots.shift()!;
      return { index, s, y };
    }
    const taken = new Set(this.#slots.map(({ index }) => index));
    let index = 0;
    while (taken.has(index)) index++;
    const { s, y } = (this.#vectors[index] ??= { s: this.#space.take(), y: this.#space.take() });
    return { index, s, y };
  }

  #keep(slot: Slot): void {
    this.#slots.push(slot);
    this.#fresh = [...this.#fresh.filter(({ index }) => index !== slot.index), slot];
  }

  /** s · g and y · g by index; in the same passes, the products that fresh pairs lack. */
  #learn(gradient: Float64Array, newest: Slot): [Float64Array, Float64Array] {
    const m = this.#capacity;
    const [sg, yg] = [new Float64Array(m), new Float64Array(m)];
    for (const { index: own, s, y } of this.#fresh.length > 0 ? this.#fresh : [newest]) {
      this.#space.kernels.pairProducts(
        this.#space.length,
        this.#slots.length,
        this.#addresses.byteOffset,
        gradient.byteOffset,
        s.byteOffset,
        y.byteOffset,
        this.#products.byteOffset,
      );
      this.#slots.forEach(({ index }, i) => {
        const at = products * i;
        sg[index] = this.#products[at]!;
        yg[index] = this.#products[at + 1]!;
        this.#sy[index * m + own] = this.#products[at + 2]!;
        this.#yy[index * m + own] = this.#yy[own * m + index] = this.#products[at + 3]!;
        this.#sy[own * m + index] = this.#products[at + 4]!;
      });
    }
    this.#fresh = [];
    return [sg, yg];
  }
}
