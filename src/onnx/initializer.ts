/** Between the file's constants (bytes) and tensors (typed arrays). */
import { GraftError } from '../errors.js';
import { byteLength, dtypeInfo } from '../tensor/dtype.js';
import { sizeOf } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { readExternalInto } from './external-data.js';
import type { Initializer } from './ir.js';
import { quoteName } from './quote-name.js';

/** The tensor's bytes as an initializer called `name`; shares memory with the tensor. */
export function toInitializer(name: string, tensor: Tensor): Initializer {
  const { buffer, byteOffset, byteLength: length } = tensor.data;
  return {
    name,
    dtype: tensor.dtype,
    dims: tensor.dims,
    content: { kind: 'raw', bytes: new Uint8Array(buffer, byteOffset, length) },
    docString: '',
    metadata: new Map(),
  };
}

/**
 * The bytes of a numeric initializer: a view where they are in memory, read from the side file where they are not.
 * @throws GraftError INVALID_MODEL for strings, FILE_UNREADABLE where the side file fails.
 */
export function initializerBytes(initializer: Initializer): Uint8Array {
  const { content } = initializer;
  if (content.kind === 'raw') return content.bytes;
  if (content.kind === 'strings') {
    throw new GraftError(
      'INVALID_MODEL',
      `Expected numbers in tensor ${quoteName(initializer.name)} but it holds strings.`,
    );
  }
  const bytes = new Uint8Array(content.length);
  readExternalInto(content, bytes);
  return bytes;
}

/**
 * The initializer as a tensor. Copies only where the bytes are not aligned for their element type. Elements below a byte
 * stay packed and those that JavaScript has no array for stay bit patterns: `toFloat32` gives numbers.
 * @throws as `initializerBytes`.
 */
export function toTensor(initializer: Initializer): Tensor {
  const { dtype, dims } = initializer;
  let bytes = initializerBytes(initializer);
  const expected = byteLength(dtype, sizeOf(dims));
  if (bytes.length !== expected) {
    throw new GraftError(
      'INVALID_MODEL',
      `Tensor ${quoteName(initializer.name)} of ${dtype} [${dims}] needs ${expected} bytes but holds ${bytes.length}.`,
    );
  }
  const { array } = dtypeInfo(dtype);
  if (bytes.byteOffset % array.BYTES_PER_ELEMENT !== 0) bytes = new Uint8Array(bytes);
  const data = new array(bytes.buffer, bytes.byteOffset, bytes.length / array.BYTES_PER_ELEMENT);
  return { dtype, dims, data };
}
