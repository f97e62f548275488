/**
 * Operators that are linear and separable: along each axis Y = M X with a matrix M [out, in] of that axis (average
 * pooling, resizing). Then dX = Mᵀ dY along each of them.
 *
 * The matrices are not worked out here. The operator itself makes them, applied along one axis to the identity, so they
 * are right whatever the runtime does about rounding, padding and clipping. It folds them when it loads the graph.
 */
import { sizeOf } from '../../tensor/shape.js';
import { float32 } from '../../tensor/tensor.js';
import { reshape, transpose } from '../append.js';
import type { RuleContext } from '../gradient-rule.js';

/** The identity of `size` rows as a constant of shape [...leading, size, size]. */
export function identity(at: Pick<RuleContext, 'builder'>, size: number, leading: readonly number[]): string {
  const data = new Float32Array(size * size);
  for (let i = 0; i < size; i++) data[i * size + i] = 1;
  return at.builder.constant(`const/identity/${size}`, float32([...leading, size, size], data));
}

/**
 * Mᵀ dY along one axis.
 * @param shape - of dY @param matrix - M, the name of a matrix [out, in] @param inputSize - its columns
 */
export function applyTransposed(
  at: RuleContext,
  dY: string,
  shape: readonly number[],
  axis: number,
  matrix: string,
  inputSize: number,
): string {
  const after = shape.slice(axis + 1);
  if (after.length === 0) return at.op('MatMul', [dY, matrix]);
  const turned = transpose(at, matrix, [1, 0]);
  if (after.length === 1) return at.op('MatMul', [turned, dY]);
  const stacked = reshape(at, dY, [-1, shape[axis]!, sizeOf(after)]);
  return reshape(at, at.op('MatMul', [turned, stacked]), [-1, ...shape.slice(1, axis), inputSize, ...after]);
}
