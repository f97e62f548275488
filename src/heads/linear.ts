/**
 * The linear head: scores = x W + b, W [dim, columns], b [columns].
 *
 * On standardised features z = (x - mean) / std it folds to W' = W / std and b' = b - (mean / std) W.
 *
 * Of two classes under a softmax only the difference w of the columns matters: it is kept as [0, w], and the penalty is
 * λ/2 · ‖w‖², that of logistic regression. While training both columns are free; at the optimum they are ∓w/2, so that
 * λ counts twice on them.
 */
import { biasName } from '../tasks/task.js';
import { sizeOf } from '../tensor/shape.js';
import { float32, type Tensor } from '../tensor/tensor.js';
import { foldIntoLayer } from './fold-into-layer.js';
import type { Head, HeadBuilder } from './head.js';

const weight = 'head/weight';

export const linearHead: HeadBuilder<{ readonly kind: 'linear' }> = (
  _spec,
  { dim, columns, hasBias, onlyDifferencesCount },
): Head => {
  const isDifference = onlyDifferencesCount && columns === 2;
  const weightShape = [weight, [dim, columns]] as const;
  const biasShape = [biasName, [columns]] as const;
  const kept = new Map<string, readonly number[]>([weightShape, biasShape]);
  const parameters = hasBias ? kept : new Map<string, readonly number[]>([weightShape]);
  return {
    isConvex: true,
    parameters,
    kept,
    penalized: [weight],
    penaltyFactor: isDifference ? 2 : 1,
    initial: () =>
      new Map([...parameters].map(([name, dims]) => [name, float32(dims, new Float32Array(sizeOf(dims)))])),
    append(builder, features, values) {
      const product = builder.op('MatMul', [features, values.get(weight)!], { name: 'head/product' });
      const bias = values.get(biasName);
      return bias === undefined ? product : builder.op('Add', [product, bias], { name: 'head/scores' });
    },
    finish(trained, standardization) {
      const w = trained.get(weight)!;
      const data = Float32Array.from(w.data as Float32Array);
      const bias = Float64Array.from(
        (trained.get(biasName)?.data as Float32Array | undefined) ?? new Float64Array(columns),
      );
      if (isDifference) {
        for (let at = 0; at < data.length; at += 2) {
          data[at + 1]! -= data[at]!;
          data[at] = 0;
        }
        bias[1]! -= bias[0]!;
        bias[0] = 0;
      }
      const none = { mean: new Float64Array(dim), std: new Float64Array(dim).fill(1) };
      const folded = foldIntoLayer(float32(w.dims, data), bias, standardization ?? none);
      return new Map<string, Tensor>([
        [weight, folded.weight],
        [biasName, folded.bias],
      ]);
    },
  };
};
