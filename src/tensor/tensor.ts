import { invalidArgument } from '../errors.js';
import { type DType, dtypeInfo, type TypedArray } from './dtype.js';
import { formatShape, sizeOf } from './shape.js';

/** A dense row-major array in memory. `data` holds the elements as `dtypeInfo(dtype).array`. */
export interface Tensor {
  readonly dtype: DType;
  readonly dims: readonly number[];
  readonly data: TypedArray;
}

/**
 * @throws GraftError INVALID_ARGUMENT where the data is not as long as the shape says.
 * @example float32([2, 2], [1, 2, 3, 4])
 */
export function float32(dims: readonly number[], values: ArrayLike<number>): Tensor {
  return checked('float32', dims, values instanceof Float32Array ? values : Float32Array.from(values));
}

export function int64(dims: readonly number[], values: readonly (number | bigint)[]): Tensor {
  return checked('int64', dims, BigInt64Array.from(values, BigInt));
}

export function checked(dtype: DType, dims: readonly number[], data: TypedArray): Tensor {
  const perElement = dtypeInfo(dtype).bits / (8 * data.BYTES_PER_ELEMENT);
  const expected = Math.ceil(sizeOf(dims) * perElement);
  if (data.length !== expected) {
    throw invalidArgument('data', `${expected} elements of ${dtype} ${formatShape(dims)}`, data.length);
  }
  return { dtype, dims, data };
}
