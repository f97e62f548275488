import { GraftError } from '../errors.js';
import type { ValueInfo } from '../onnx/ir.js';
import type { Rng } from '../rng.js';
import type { TensorMap } from '../runtime/session.js';
import { type DType, dtypeInfo, isFloat } from '../tensor/dtype.js';
import { toHalf } from '../tensor/float16.js';
import { sizeOf } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';

/**
 * Inputs to run a model on: those of `feeds`, the others drawn with the sizes of `inputDims` (else as declared, 1 where a
 * size is free): normal floats, integers 0 and 1, masks that keep the first tokens of each text.
 * @throws GraftError UNSUPPORTED_MODEL for an input that is no tensor, or one of strings that is not among `feeds`.
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
    if (dtype === 'string' && !feeds[name]) {
      throw new GraftError(
        'UNSUPPORTED_MODEL',
        `Input "${name}" takes strings, which cannot be drawn at random.`,
      );
    }
    const data = new (dtypeInfo(dtype).array)(sizeOf(dims));
    // Texts are filled up behind: attention has no gradient where a mask leaves nothing to look at.
    const kept = /mask/i.test(name) && dims.length > 1 && !isFloat(dtype) ? keptOf(dims, rng) : undefined;
    for (let i = 0; i < data.length; i++) {
      if (kept)
        (data as Int32Array)[i] = (data instanceof BigInt64Array ? BigInt(kept(i)) : kept(i)) as number;
      else if (data instanceof BigInt64Array || data instanceof BigUint64Array)
        data[i] = BigInt(rng.integer(2));
      else data[i] = isFloat(dtype) ? encodeNormal(dtype, rng.normal()) : rng.integer(2);
    }
    result[name] = feeds[name] ?? { dtype, dims, data };
  }
  return result;
}

/** As the arrays of a type hold a number: of half precision its bit pattern. */
function encodeNormal(dtype: DType, value: number): number {
  if (dtype === 'float16') return toHalf(value);
  if (dtype === 'bfloat16') return new Uint32Array(Float32Array.of(value).buffer)[0]! >>> 16;
  return value;
}

/** 1 up to a length of its own, at least 1, in each row of the last axis. */
function keptOf(dims: readonly number[], rng: Rng): (i: number) => number {
  const size = dims.at(-1)!;
  const lengths = Array.from({ length: sizeOf(dims.slice(0, -1)) }, () => 1 + rng.integer(Math.max(1, size)));
  return (i) => (i % size < lengths[Math.floor(i / size)]! ? 1 : 0);
}
