/** The numbers in a tensor of any element type. */
import { GraftError } from '../errors.js';
import { dtypeInfo } from './dtype.js';
import { fromHalfArray } from './float16.js';
import { minifloatValues } from './minifloat.js';
import { unpackBits } from './pack-bits.js';
import { sizeOf } from './shape.js';
import type { Tensor } from './tensor.js';

/**
 * One float32 an element, rounded where float32 cannot hold it (64-bit types, large int32). A float32 tensor gives its
 * own data, without a copy. Booleans are 0 and 1.
 * @throws GraftError INVALID_ARGUMENT for complex numbers and strings.
 * @example toFloat32({ dtype: 'int4', dims: [2], data: new Uint8Array([0xf1]) }) // [1, -1]
 */
export function toFloat32({ dtype, dims, data }: Tensor): Float32Array {
  const { bits } = dtypeInfo(dtype);
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) return Float32Array.from(data, Number);
  switch (dtype) {
    case 'float32':
      return data as Float32Array;
    case 'float16':
      return fromHalfArray(data as Uint16Array);
    case 'bfloat16':
      return fromBfloat16(data);
    case 'complex64':
    case 'complex128':
    case 'string':
      throw new GraftError('INVALID_ARGUMENT', `Expected a tensor of real numbers but received ${dtype}.`);
    case 'int4':
    case 'int2': {
      const signBit = 1 << (bits - 1);
      return Float32Array.from(unpackBits(data as Uint8Array, bits, sizeOf(dims)), (pattern) =>
        pattern < signBit ? pattern : pattern - 2 * signBit,
      );
    }
  }
  const patterns = bits < 8 ? unpackBits(data as Uint8Array, bits, sizeOf(dims)) : data;
  const values = minifloatValues(dtype);
  return values ? Float32Array.from(patterns, (pattern) => values[pattern]!) : Float32Array.from(patterns);
}

/** bfloat16 is the upper half of a float32. */
function fromBfloat16(patterns: ArrayLike<number>): Float32Array {
  const words = new Uint32Array(patterns.length);
  for (let i = 0; i < words.length; i++) words[i] = patterns[i]! << 16;
  return new Float32Array(words.buffer);
}
