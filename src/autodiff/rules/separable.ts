/**
 * Operators that are linear and separable: along each axis Y = M X with a matrix M [out, in] of that axis (average
 * pooling, resizing). Then dX = Mᵀ dY along each of them.
 *
 * The matrices are not worked out here. The operator itself makes them, applied along one axis to the identity, so they
 * are right whatever the runtime does about rounding, padding and clipping. It folds them when it loads the graph.
 */
import { float32 } from '../../tensor/tensor.js';
import { reshape, transpose } from '../append.js';
import type { RuleContext } from '../gradient-rule.js';

/** The identity of `size` rows as a constant of shape [...leading, size, size]. */
export function identity(at: RuleContext, size: number, leading: readonly number[]): string {
  const data = new Float32Array(size * size);
  for (let i = 0; i < size; i++) data[i * size + i] = 1;
  return at.builder.constant(`const/identity/${size}`, float32([...leading, size, size], data));
}

/**
 * Sums dY over an axis with weights: dX[…, i, …] = Σ_o transposed[i, o] · dY[…, o, …].
 * @param shape - of dY @param transposed - Mᵀ, the name of a matrix [in, out]
 */
export function applyTransposed(
  at: RuleContext,
  dY: string,
  shape: readonly number[],
  axis: number,
  transposed: string,
  inputSize: number,
): string {
  const after = shape.slice(axis + 1);
  if (after.length === 0) return at.op('MatMul', [dY, transpose(at, transposed, [1, 0])]);
  const rest = after.reduce((product, size) => product * size, 1);
  const stacked = after.length === 1 ? dY : reshape(at, dY, [-1, shape[axis]!, rest]);
  const product = at.op('MatMul', [transposed, stacked]);
  return after.length === 1
    ? product
    : reshape(at, product, [-1, ...shape.slice(1, axis), inputSize, ...after]);
}
