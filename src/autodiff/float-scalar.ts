import { GraftError } from '../errors.js';
import type { GraphBuilder } from '../onnx/graph-builder.js';
import type { DType } from '../tensor/dtype.js';
import { toHalf } from '../tensor/float16.js';

/** A scalar constant of a float type; equal ones are stored once. */
export function floatScalar(builder: GraphBuilder, value: number, dtype: DType): string {
  switch (dtype) {
    case 'float32':
      return builder.scalar(value);
    case 'float64':
      return builder.shared(`const/float64/${value}`, { dtype, dims: [], data: Float64Array.of(value) });
    case 'float16':
      return builder.shared(`const/float16/${value}`, {
        dtype,
        dims: [],
        data: Uint16Array.of(toHalf(value)),
      });
    default:
      throw new GraftError(
        'UNSUPPORTED_MODEL',
        `Gradients of ${dtype} values are not supported; cast the parameters to float32.`,
      );
  }
}
