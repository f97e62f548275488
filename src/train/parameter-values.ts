/** What solvers do to the named weights of a head, whatever their shapes. */
import { float32, type Tensor } from '../tensor/tensor.js';

/** Copies that may be written into. */
export function copyParameters(parameters: ReadonlyMap<string, Tensor>): Map<string, Tensor> {
  return new Map(
    [...parameters].map(([name, { dims, data }]) => [name, float32(dims, (data as Float32Array).slice())]),
  );
}

/** ‖W‖² over the named ones. */
export function sumSquares(parameters: ReadonlyMap<string, Tensor>, names: readonly string[]): number {
  let sum = 0;
  for (const name of names) for (const w of parameters.get(name)!.data as Float32Array) sum += w * w;
  return sum;
}
