/**
 * The linear head: logits = x W + b, W [dim, classes], b [classes].
 *
 * On standardised features z = (x - mean) / std it folds to W' = W / std and b' = b - (mean / std) W.
 */
import { float32, type Tensor } from '../tensor/tensor.js';
import type { HeadKind } from './head.js';

const weight = 'head/weight';
const bias = 'head/bias';

export const linearHead: HeadKind = {
  parameters: ({ dim, classCount }) =>
    new Map([
      [weight, [dim, classCount]],
      [bias, [classCount]],
    ]),
  penalized: [weight],
  append(builder, features, parameters) {
    const product = builder.op('MatMul', [features, parameters.get(weight)!], { name: 'head/product' });
    return builder.op('Add', [product, parameters.get(bias)!], { name: 'head/logits' });
  },
  fold(parameters, { mean, std }) {
    const w = parameters.get(weight)!;
    const [dim, classCount] = w.dims as [number, number];
    const folded = new Float32Array(w.data.length);
    const shifted = Float64Array.from(parameters.get(bias)!.data as Float32Array);
    for (let d = 0; d < dim; d++) {
      for (let c = 0; c < classCount; c++) {
        const scaled = (w.data[d * classCount + c] as number) / std[d]!;
        folded[d * classCount + c] = scaled;
        shifted[c]! -= mean[d]! * scaled;
      }
    }
    return new Map<string, Tensor>([
      [weight, float32([dim, classCount], folded)],
      [bias, float32([classCount], shifted)],
    ]);
  },
};
