/**
 * What L-BFGS remembers of an objective's curvature, and the direction that follows from it: the two-loop recursion of
 * Nocedal & Wright, Numerical Optimization, 2nd ed., algorithm 7.4, on coefficients instead of vectors (Chen, Wang, Zhou,
 * Large-scale L-BFGS using MapReduce, 2014).
 *
 * The recursion meets vectors through their products alone. Those of the pairs are kept; one pass over the memory gives
 * those of a new pair and of the gradient, a second one adds the vectors up. The plain recursion takes four.
 */
import { type Kernels, openKernels } from '../simd/kernels.js';
import { dot } from './vector.js';

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
  readonly sAt: number;
  readonly yAt: number;
}

const bytes = Float64Array.BYTES_PER_ELEMENT;
/** Elements that are worked on at a time: a block of the gradient and of a new pair stays in the first cache. */
const blockSize = 512;
/** WebAssembly addresses 4 GiB; more pairs than fit are not remembered. */
const mostBytes = 2 ** 32 - 2 ** 20;

export class CurvatureMemory {
  readonly #size: number;
  readonly #capacity: number;
  readonly #kernels: Kernels;
  /** Where two products go, and after it a vector, which the pairs are multiplied with or added to. */
  readonly #out: Float64Array;
  readonly #vector: Float64Array;
  readonly #pairBytes: number;
  /** The oldest first. */
  #slots: Slot[] = [];
  /** Those of them whose products are not known yet. */
  #fresh: Slot[] = [];
  /** s · y and y · y by the slots' indices: [capacity, capacity]. */
  readonly #sy: Float64Array;
  readonly #yy: Float64Array;

  /**
   * @param size - elements of a vector
   * @param capacity - pairs that are remembered
   * @param pairs - copied, the oldest first; of more than `capacity` the last ones count
   */
  constructor(size: number, capacity: number, pairs: readonly CurvaturePair[] = []) {
    this.#size = size;
    // Kernels take four at a time; what is above `size` stays zero.
    const vectorBytes = bytes * 4 * Math.ceil(size / 4);
    this.#pairBytes = 2 * vectorBytes;
    const most = Math.floor((mostBytes - 16 - vectorBytes) / this.#pairBytes);
    this.#capacity = Math.min(capacity, most);
    this.#kernels = openKernels();
    this.#kernels.reserve(16 + vectorBytes + this.#capacity * this.#pairBytes);
    this.#out = new Float64Array(this.#kernels.buffer(), 0, 2);
    this.#vector = new Float64Array(this.#kernels.buffer(), 16, size);
    this.#sy = new Float64Array(this.#capacity ** 2);
    this.#yy = new Float64Array(this.#capacity ** 2);
    for (const { s, y, sy, yy } of pairs.slice(Math.max(0, pairs.length - this.#capacity))) {
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

  /** Remembers a step and what it did to the gradient, unless no curvature shows along it; forgets the oldest. */
  add(x: Float64Array, xBefore: Float64Array, gradient: Float64Array, gradientBefore: Float64Array): void {
    const slot = this.#nextSlot();
    const { s, y } = slot;
    for (let i = 0; i < s.length; i++) {
      s[i] = x[i]! - xBefore[i]!;
      y[i] = gradient[i]! - gradientBefore[i]!;
    }
    const [sy, yy] = [dot(s, y), dot(y, y)];
    if (sy > 1e-10 * yy) this.#keep({ ...slot, sy, yy });
  }

  /** -H g, with H the inverse of the curvature as far as it is known. */
  direction(gradient: Float64Array): Float64Array {
    const slots = this.#slots;
    const newest = slots.at(-1);
    if (!newest) return gradient.map((g) => -g);
    const m = this.#capacity;
    const [sg, yg] = this.#products(gradient);
    const [ofS, ofY, alphas] = [new Float64Array(m), new Float64Array(m), new Float64Array(m)];
    for (const { index, sy } of slots.toReversed()) {
      let sq = -sg[index]!;
      for (const { index: j } of slots) sq += ofY[j]! * this.#sy[index * m + j]!;
      alphas[index] = sq / sy;
      ofY[index]! -= alphas[index];
    }
    const scale = newest.sy / newest.yy;
    for (const { index } of slots) ofY[index]! *= scale;
    for (const { index, sy } of slots) {
      let yq = -scale * yg[index]!;
      for (const { index: j } of slots) {
        yq += ofY[j]! * this.#yy[index * m + j]! + ofS[j]! * this.#sy[j * m + index]!;
      }
      ofS[index]! += alphas[index]! - yq / sy;
    }
    return this.#sum(-scale, ofS, ofY);
  }

  /** A slot that is free, or the oldest one's, which is then forgotten. */
  #nextSlot(): Omit<Slot, 'sy' | 'yy'> {
    if (this.#slots.length === this.#capacity) {
      const { index, s, y, sAt, yAt } = this.#slots.shift()!;
      return { index, s, y, sAt, yAt };
    }
    const taken = new Set(this.#slots.map(({ index }) => index));
    let index = 0;
    while (taken.has(index)) index++;
    const sAt = 16 + (1 + 2 * index) * (this.#pairBytes / 2);
    const yAt = sAt + this.#pairBytes / 2;
    const view = (at: number) => new Float64Array(this.#kernels.buffer(), at, this.#size);
    return { index, s: view(sAt), y: view(yAt), sAt, yAt };
  }

  #keep(slot: Slot): void {
    this.#slots.push(slot);
    this.#fresh = [...this.#fresh.filter(({ index }) => index !== slot.index), slot];
  }

  /** s · g and y · g by index; on the way, the products that fresh pairs lack. */
  #products(gradient: Float64Array): [Float64Array, Float64Array] {
    const m = this.#capacity;
    const [sg, yg] = [new Float64Array(m), new Float64Array(m)];
    const gAt = this.#vector.byteOffset;
    this.#vector.set(gradient);
    for (const { index } of this.#fresh) {
      for (let j = 0; j < m; j++) {
        for (const at of [index * m + j, j * m + index]) this.#sy[at] = this.#yy[at] = 0;
      }
    }
    const kernel = this.#kernels.pairProducts;
    const out = this.#out;
    for (let from = 0; from < this.#size; from += blockSize) {
      const at = from * bytes;
      const count = 4 * Math.ceil(Math.min(blockSize, this.#size - from) / 4);
      for (const { index, sAt, yAt } of this.#slots) {
        out.fill(0);
        kernel(count, sAt + at, yAt + at, gAt + at, 0);
        sg[index]! += out[0]!;
        yg[index]! += out[1]!;
        for (const other of this.#fresh) {
          out.fill(0);
          kernel(count, sAt + at, yAt + at, other.yAt + at, 0);
          this.#sy[index * m + other.index]! += out[0]!;
          this.#yy[index * m + other.index]! += out[1]!;
          if (this.#fresh.some((fresh) => fresh.index === index)) continue;
          out.fill(0);
          kernel(count, sAt + at, yAt + at, other.sAt + at, 0);
          this.#sy[other.index * m + index]! += out[1]!;
        }
      }
    }
    for (const other of this.#fresh) {
      for (const { index } of this.#slots) {
        this.#yy[other.index * m + index] = this.#yy[index * m + other.index]!;
      }
    }
    this.#fresh = [];
    return [sg, yg];
  }

  /** The gradient that products were taken with, times `scale`, and the pairs times their coefficients. */
  #sum(scale: number, ofS: Float64Array, ofY: Float64Array): Float64Array {
    const sumAt = this.#vector.byteOffset;
    const kernel = this.#kernels.addPair;
    for (let i = 0; i < this.#size; i++) this.#vector[i]! *= scale;
    for (let from = 0; from < this.#size; from += blockSize) {
      const at = from * bytes;
      const count = 4 * Math.ceil(Math.min(blockSize, this.#size - from) / 4);
      for (const { index, sAt, yAt } of this.#slots) {
        kernel(count, sumAt + at, ofS[index]!, sAt + at, ofY[index]!, yAt + at);
      }
    }
    return this.#vector.slice();
  }
}
