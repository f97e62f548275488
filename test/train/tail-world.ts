/** Small tails of real operators, and activations to train them on. */
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import { createRng } from '../../src/rng.js';
import { openSession } from '../../src/runtime/open-session.js';
import { sizeOf } from '../../src/tensor/shape.js';
import { float32, type Tensor } from '../../src/tensor/tensor.js';
import { type ActivationSet, rowsInMemory } from '../../src/train/row-source.js';
import { fitStandardization, standardize } from '../../src/train/standardize.js';
import { computeFeatures } from '../../src/train/tail-scorer.js';
import type { OpenSession } from '../../src/train/tail-step.js';
import type { Tail } from '../../src/train/tail.js';

export const openOnOneThread: OpenSession = (bytes) => openSession(bytes, { threads: 1 });

/** A weight of the given shape, by a seed. */
export function randomTensor(dims: readonly number[], seed: number, spread = 0.4, centre = 0): Tensor {
  const rng = createRng(seed);
  return float32(
    dims,
    Float32Array.from({ length: sizeOf(dims) }, () => centre + spread * rng.normal()),
  );
}

/** The weights of `convolutionalTail` for `channels` channels at the cut. */
export function randomWeights(seed: number, channels = 3): Map<string, Tensor> {
  return new Map([
    ['conv', randomTensor([6, channels, 3, 3], seed)],
    ['scale', randomTensor([6], seed + 1, 0.2, 1)],
    ['shift', randomTensor([6], seed + 2, 0.2)],
    ['mean', randomTensor([6], seed + 3, 0.1)],
    ['var', randomTensor([6], seed + 4, 0.1, 1)],
    ['depthwise', randomTensor([6, 1, 3, 3], seed + 5)],
    ['pointwise', randomTensor([5, 6, 1, 1], seed + 6)],
    ['bias', randomTensor([5], seed + 7, 0.1)],
  ]);
}

export const side = 6;

/** cut [n, channels, 6, 6] → Conv → BatchNormalization → Relu → depthwise Conv → Relu → 1x1 Conv → average → [n, 5] */
export function convolutionalTail(weights: ReadonlyMap<string, Tensor>): Tail {
  const builder = new GraphBuilder({ opset: 17 });
  const channels = weights.get('conv')!.dims[1]!;
  const cut = builder.input('cut', 'float32', ['n', channels, side, side]);
  for (const [name, tensor] of weights) builder.constant(name, tensor);
  const conv = (x: string, parameters: string[], attributes: Record<string, number | number[]>): string =>
    builder.op('Conv', [x, ...parameters], { attributes });
  let x = conv(cut, ['conv'], { pads: [1, 1, 1, 1] });
  x = builder.op('Relu', [builder.op('BatchNormalization', [x, 'scale', 'shift', 'mean', 'var'])]);
  x = builder.op('Relu', [conv(x, ['depthwise'], { pads: [1, 1, 1, 1], group: 6 })]);
  x = builder.op('GlobalAveragePool', [conv(x, ['pointwise', 'bias'], {})]);
  builder.output(builder.op('Flatten', [x]), 'float32', ['n', 5], 'features');
  return {
    model: builder.model(),
    crossing: [{ name: 'cut', dims: [channels, side, side] }],
    output: 'features',
    dim: 5,
  };
}

/**
 * Noise as activations; the class is what a teacher, the same tail with other weights, finds strongest beside what it
 * finds on the whole.
 */
export async function taughtSet(rows: number, seed: number, channels = 3): Promise<ActivationSet> {
  const dim = channels * side * side;
  const values = randomTensor([rows, dim], seed, 1).data as Float32Array;
  const activations = rowsInMemory(values, dim);
  const teacher = convolutionalTail(randomWeights(900, channels));
  const [scores] = await computeFeatures(teacher, [activations], openOnOneThread, {});
  const classes = ['a', 'b', 'c'];
  const { features } = standardize(
    { features: scores!, dim: 5, rows, labels: new Int32Array(0), classes },
    fitStandardization({ features: scores!, dim: 5, rows }),
  );
  const labels = Int32Array.from({ length: rows }, (_, row) => {
    const own = features.subarray(row * 5, row * 5 + 3);
    return own.indexOf(Math.max(...own));
  });
  return { activations, rows, labels, classes };
}
