import type { Dimension, ValueInfo } from '../onnx/ir.js';

export interface ValueReport {
  readonly name: string;
  /** Or what it is in place of a tensor: a sequence, an optional. */
  readonly dtype: string;
  readonly shape: readonly Dimension[];
}

export function describeValue({ name, type }: ValueInfo): ValueReport {
  if (type?.kind !== 'tensor') return { name, dtype: type?.kind ?? 'unknown', shape: [] };
  return { name, dtype: type.dtype, shape: type.shape ?? [] };
}
