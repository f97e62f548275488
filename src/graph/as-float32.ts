/** A model of other floating-point types as the same function in float32. */
import type { Graph, Model } from '../onnx/ir.js';
import type { DType } from '../tensor/dtype.js';
import { toFloat32 } from '../tensor/to-float32.js';
import { float32, type Tensor } from '../tensor/tensor.js';
import { convertFloats, hasDType as hasTypes } from './convert-floats.js';

export type OtherFloat = 'float16' | 'bfloat16' | 'float64';

const largest = 3.4028234663852886e38;

const typeAttributes = new Set(['to', 'dtype', 'output_dtype', 'stash_type', 'softmax_precision']);

/**
 * Nodes and names stay; a model without the types `from` comes back as it is. Finite numbers beyond float32 become its
 * largest: float64's least number stands for what a mask hides, and infinities in its place would give no numbers.
 */
export function asFloat32(model: Model, from: readonly OtherFloat[]): Model {
  const graph = convertFloats(model.graph, { from, to: 'float32', convert: toSingle, typeAttributes });
  return graph === model.graph ? model : { ...model, graph };
}

/** Whether any input, weight, constant or cast of the graph is of one of these types. */
export function hasDType(graph: Graph, dtypes: readonly DType[]): boolean {
  return hasTypes(graph, dtypes, typeAttributes);
}

function toSingle(tensor: Tensor): Tensor {
  const data = toFloat32(tensor);
  if (tensor.dtype === 'float64') {
    for (const [i, value] of data.entries()) {
      if (Math.abs(value) === Infinity && Number.isFinite(tensor.data[i]))
        data[i] = Math.sign(value) * largest;
    }
  }
  return float32(tensor.dims, data);
}
