/**
 * Float64 vectors of one length in one memory of the kernels, which work on them where they lie: a search allocates nothing
 * on its way.
 */
import { GraftError } from '../errors.js';
import { type Kernels, openKernels } from '../simd/kernels.js';

/** WebAssembly addresses 4 GiB. */
const mostBytes = 2 ** 32 - 2 ** 20;

/** Bytes of a vector: kernels take eight elements at a time; what is above the size stays zero. */
function bytesOf(size: number): number {
  return 64 * Math.ceil(size / 8);
}

/** How many vectors of so many elements one memory holds. */
export function mostVectors(size: number): number {
  return Math.floor(mostBytes / bytesOf(size));
}

export class VectorSpace {
  readonly size: number;
  readonly kernels: Kernels;
  /** What kernels are told: the size, filled up. */
  readonly length: number;
  #free = 0;

  /**
   * @param size - elements of a vector
   * @param count - vectors it is to hold
   * @param bytes - for what else is taken from it
   * @throws GraftError INVALID_ARGUMENT for more than 4 GiB
   */
  constructor(size: number, count: number, bytes = 0) {
    if (count > mostVectors(size)) {
      throw new GraftError(
        'INVALID_ARGUMENT',
        `L-BFGS works on ${count} vectors within 4 GiB, but ${size} parameters are too many for that; ` +
          'take --solver adamw.',
      );
    }
    this.size = size;
    this.length = bytesOf(size) / Float64Array.BYTES_PER_ELEMENT;
    this.kernels = openKernels();
    this.kernels.reserve(count * bytesOf(size) + bytes);
  }

  /** A vector of zeros that nothing else uses. */
  take(): Float64Array {
    return new Float64Array(this.kernels.buffer(), this.takeBytes(bytesOf(this.size)), this.size);
  }

  /** The address of bytes that nothing else uses, a multiple of 8. */
  takeBytes(count: number): number {
    const at = this.#free;
    this.#free += 8 * Math.ceil(count / 8);
    return at;
  }

  dot(a: Float64Array, b: Float64Array): number {
    return this.kernels.dot(this.length, a.byteOffset, b.byteOffset);
  }

  largestMagnitude(a: Float64Array): number {
    return this.kernels.largestMagnitude(this.length, a.byteOffset);
  }

  /** into = a + factor · b */
  addScaled(a: Float64Array, factor: number, b: Float64Array, into: Float64Array): void {
    this.kernels.addScaled(this.length, a.byteOffset, factor, b.byteOffset, into.byteOffset);
  }
}
