/**
 * The linear head: logits = x W + b, W [dim, classes], b [classes].
 *
 * On standardised features z = (x - mean) / std it folds to W' = W / std and b' = b - (mean / std) W.
 *
 * With two classes only the difference w of the columns matters: it is kept as [0, w], and the penalty is λ/2 · ‖w‖²,
 * that of logistic regression. While training both columns are free; at the optimum they are ∓w/2, so that λ counts
 * twice on them.
 */
import { float32, type Tensor } from '../tensor/tensor.js';
import type { HeadKind } from './head.js';

const weight = 'head/weight';
const bias = 'head/bias';

export const linearHead: HeadKind = {
  isConvex: true,
  parameters: ({ dim, classCount }) =>
    new Map([
      [weight, [dim, classCount]],
      [bias, [classCount]],
    ]),
  penalized: [weight],
  penaltyFactor: ({ classCount }) => (classCount === 2 ? 2 : 1),
  append(builder, features, parameters) {
    const product = builder.op('MatMul', [features, parameters.get(weight)!], { name: 'head/product' });
    return builder.op('Add', [product, parameters.get(bias)!], { name: 'head/logits' });
  },
  finish(parameters, standardization) {
    const w = parameters.get(weight)!;
    const [dim, classCount] = w.dims as [number, number];
    const folded = new Float32Array(w.data.length);
    const shifted = Float64Array.from(parameters.get(bias)!.data as Float32Array);
    if (classCount === 2) {
      shifted[1]! -= shifted[0]!;
      shifted[0] = 0;
    }
    for (let d = 0; d < dim; d++) {
      const row = d * classCount;
      const std = standardization?.std[d] ?? 1;
      const mean = standardization?.mean[d] ?? 0;
      const base = classCount === 2 ? (w.data[row] as number) : 0;
      for (let c = 0; c < classCount; c++) {
        const scaled = ((w.data[row + c] as number) - base) / std;
        folded[row + c] = scaled;
        shifted[c]! -= mean * scaled;
      }
    }
    return new Map<string, Tensor>([
      [weight, float32([dim, classCount], folded)],
      [bias, float32([classCount], shifted)],
    ]);
  },
};
