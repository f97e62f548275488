import type { Dimension, ValueInfo } from '../onnx/ir.js';

export interface ValueReport {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly Dimension[];
}

export function describeValue({ name, type }: ValueInfo): ValueReport {
  if (type?.kind !== 'tensor') return { name, dtype: 'unknown', shape: [] };
  return { name, dtype: type.dtype, shape: type.shape ?? [] };
}
