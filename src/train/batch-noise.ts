/** What a training step draws anew for every batch: dropout masks and mixtures of examples, as inputs of its graph. */
import type { MlpSpec } from '../heads/head.js';
import type { GraphBuilder } from '../onnx/graph-builder.js';
import type { Rng } from '../rng.js';
import type { TensorMap } from '../runtime/session.js';
import { float32, int64 } from '../tensor/tensor.js';
import { drawMixture } from './draw-mixup.js';
import { createDropoutPool } from './dropout-pool.js';

type InputDims = readonly (readonly [string, readonly number[]])[];

/** Each row x becomes share · x + (1 - share) · partner. */
export function appendMixing(builder: GraphBuilder): {
  readonly partners: string;
  readonly inputDims: InputDims;
  blend(own: string, partner: string, name: string): string;
  feeds(rows: Int32Array, alpha: number, rng: Rng): TensorMap;
} {
  const partners = builder.input('mixup/partners', 'int32', ['batch']);
  const share = builder.input('mixup/share', 'float32', ['batch', 1]);
  const op = (opType: string, inputs: readonly string[], name: string): string =>
    builder.op(opType, inputs, { name });
  return {
    partners,
    inputDims: [
      [partners, [2]],
      [share, [2, 1]],
    ],
    blend(own, partner, name) {
      // partner + share · (own - partner)
      const apart = op('Sub', [own, partner], `${name}/apart`);
      return op('Add', [partner, op('Mul', [apart, share], `${name}/pulled`)], `${name}/mixed`);
    },
    feeds(rows, alpha, rng) {
      const mixture = drawMixture(rows, alpha, rng);
      return {
        [partners]: { dtype: 'int32', dims: [rows.length], data: mixture.partners },
        [share]: float32([rows.length, 1], mixture.shares),
      };
    },
  };
}

export function appendDropout(
  builder: GraphBuilder,
  { dropout: rate, hidden }: MlpSpec,
  { batch, seed }: { readonly batch: number; readonly seed: number },
): {
  apply(value: string, layer: number, width: number): string;
  feeds(rows: number, rng: Rng): TensorMap;
} {
  const pool = createDropoutPool(rate, batch * Math.max(...hidden), seed);
  const values = builder.input('dropout/pool', 'float32', ['pool']);
  const bounds = hidden.map((width, layer) => ({
    width,
    start: builder.input(`dropout/start${layer}`, 'int64', [1]),
    end: builder.input(`dropout/end${layer}`, 'int64', [1]),
  }));
  const poolValue = float32([pool.values.length], pool.values);
  return {
    apply(value, layer, width) {
      const { start, end } = bounds[layer]!;
      const stretch = builder.op('Slice', [values, start, end], { name: `dropout/stretch${layer}` });
      const mask = builder.op('Reshape', [stretch, builder.ints([-1, width])], {
        name: `dropout/mask${layer}`,
      });
      return builder.op('Mul', [value, mask], { name: `dropout/kept${layer}` });
    },
    feeds(rows, rng) {
      const fed: Record<string, TensorMap[string]> = { [values]: poolValue };
      for (const { width, start, end } of bounds) {
        const offset = pool.drawOffset(rng, rows * width);
        fed[start] = int64([1], [offset]);
        fed[end] = int64([1], [offset + rows * width]);
      }
      return fed;
    },
  };
}
