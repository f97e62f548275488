import { GraftError } from '../errors.js';
import type { ValueInfo } from '../onnx/ir.js';
import type { Rng } from '../rng.js';
import type { TensorMap } from '../runtime/session.js';
import { dtypeInfo } from '../tensor/dtype.js';
import { sizeOf } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';

/**
 * Inputs to run a model on: those of `feeds`, the others drawn with the sizes of `inputDims` (else as declared, 1 where a
 * size is free): normal floats, integers 0 and 1.
 * @throws GraftError UNSUPPORTED_MODEL for an input that is no tensor.
 */
export function randomFeeds(
  inputs: readonly ValueInfo[],
  feeds: TensorMap,
  inputDims: ReadonlyMap<string, readonly number[]> | undefined,
  rng: Rng,
): Record<string, Tensor> {
  const result: Record<string, Tensor> = {};
  for (const { name, type } of inputs) {
    if (type?.kind !== 'tensor') {
      throw new GraftError('UNSUPPORTED_MODEL', `Input "${name}" is not a tensor; only tensors can be fed.`);
    }
    const declared = (type.shape ?? []).map((dim) => (typeof dim === 'number' && dim > 0 ? dim : 1));
    const dims = inputDims?.get(name) ?? declared;
    const { dtype } = type;
    const data = new (dtypeInfo(dtype).array)(sizeOf(dims));
    for (let i = 0; i < data.length; i++) {
      if (data instanceof BigInt64Array || data instanceof BigUint64Array) data[i] = BigInt(rng.integer(2));
      else data[i] = dtype.startsWith('float') ? rng.normal() : rng.integer(2);
    }
    result[name] = feeds[name] ?? { dtype, dims, data };
  }
  return result;
}
