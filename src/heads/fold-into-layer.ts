import { float32, type Tensor } from '../tensor/tensor.js';
import type { Standardization } from './head.js';

/**
 * A layer x W + b on standardised features as one on raw features: W' = W / std, b' = b - (mean / std) W.
 * @param weight - [dim, columns]
 */
export function foldIntoLayer(
  { dims, data }: Tensor,
  bias: ArrayLike<number>,
  { mean, std }: Standardization,
): { readonly weight: Tensor; readonly bias: Tensor } {
  const [dim, columns] = dims as [number, number];
  const folded = new Float32Array(dim * columns);
  const shifted = Float64Array.from(bias);
  for (let d = 0, at = 0; d < dim; d++) {
    for (let c = 0; c < columns; c++, at++) {
      const scaled = (data[at] as number) / std[d]!;
      folded[at] = scaled;
      shifted[c]! -= mean[d]! * scaled;
    }
  }
  return { weight: float32([dim, columns], folded), bias: float32([columns], shifted) };
}
