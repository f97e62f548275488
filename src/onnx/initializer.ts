/** Between the file's constants (bytes) and tensors (typed arrays). */
import { closeSync, openSync, readSync } from 'node:fs';
import { GraftError, unreadable } from '../errors.js';
import { byteLength, dtypeInfo } from '../tensor/dtype.js';
import { sizeOf } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import type { Initializer } from './ir.js';

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
      `Expected numbers in tensor "${initializer.name}" but it holds strings.`,
    );
  }
  const bytes = new Uint8Array(content.length);
  try {
    const file = openSync(content.path, 'r');
    try {
      for (let done = 0; done < bytes.length;) {
        const read = readSync(
          file,
          bytes,
          done,
          Math.min(bytes.length - done, 1 << 30),
          content.offset + done,
        );
        if (read === 0) throw new Error(`it ends before the data of tensor "${initializer.name}"`);
        done += read;
      }
    } finally {
      closeSync(file);
    }
  } catch (error) {
    throw unreadable(content.path, error);
  }
  return bytes;
}

/** The initializer as a tensor. Copies only where the bytes are not aligned for their element type. */
export function toTensor(initializer: Initializer): Tensor {
  const { dtype, dims } = initializer;
  let bytes = initializerBytes(initializer);
  const expected = byteLength(dtype, sizeOf(dims));
  if (bytes.length !== expected) {
    throw new GraftError(
      'INVALID_MODEL',
      `Tensor "${initializer.name}" of ${dtype} [${dims}] needs ${expected} bytes but holds ${bytes.length}.`,
    );
  }
  const { array } = dtypeInfo(dtype);
  if (bytes.byteOffset % array.BYTES_PER_ELEMENT !== 0) bytes = new Uint8Array(bytes);
  const data = new array(bytes.buffer, bytes.byteOffset, bytes.length / array.BYTES_PER_ELEMENT);
  return { dtype, dims, data };
}
