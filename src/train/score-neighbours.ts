/**
 * How well the k nearest training examples predict: a figure beside the head's that needs no training. Where it is much
 * better than the head, the head is too simple for the features; where both are poor, the features are.
 *
 *   ‖a - b‖² = ‖a‖² - 2 a·b + ‖b‖²,   of which ‖a‖² does not change the order: one matrix product and a TopK
 */
import { GraphBuilder } from '../onnx/graph-builder.js';
import { encodeModel } from '../onnx/write-model.js';
import { openSession } from '../runtime/open-session.js';
import type { Score, Task } from '../tasks/task.js';
import { float32 } from '../tensor/tensor.js';
import type { FeatureSet } from './feature-set.js';
import { trainingOpset } from './gradient-graph.js';
import { fitStandardization, standardize } from './standardize.js';

/** Distances that are in memory at once. */
const chunkElements = 2 ** 22;

/**
 * Each example of `set` is predicted as the mean of its k nearest training targets, on standardised features.
 * @param k - at most as many as there are training examples are taken
 */
export async function scoreNeighbours(
  task: Task,
  train: FeatureSet,
  set: FeatureSet,
  k: number,
  threads?: number,
): Promise<Score> {
  const scaling = fitStandardization(train);
  const known = standardize(train, scaling);
  const asked = standardize(set, scaling);
  const { dim, rows } = known;
  const outputCount = train.classes.length;
  const builder = new GraphBuilder({ opset: trainingOpset });
  const base = builder.input('train', 'float32', [rows, dim]);
  const targets = builder.input('targets', 'float32', [rows, outputCount]);
  const queries = builder.input('queries', 'float32', ['batch', dim]);
  const op = (opType: string, inputs: readonly string[], attributes = {}): string =>
    builder.op(opType, inputs, { attributes });
  const squares = op('ReduceSum', [op('Mul', [base, base]), builder.ints([1])], { keepdims: 0 });
  const products = op('MatMul', [queries, op('Transpose', [base], { perm: [1, 0] })]);
  const nearness = op('Sub', [op('Mul', [products, builder.scalar(2)]), squares]);
  const [, nearest] = builder.ops('TopK', [nearness, builder.ints([Math.min(k, rows)])], 2, {
    attributes: { axis: 1 },
  });
  const mean = op('ReduceMean', [op('Gather', [targets, nearest!], { axis: 0 })], { axes: [1], keepdims: 0 });
  builder.output(mean, 'float32', ['batch', outputCount]);
  const session = await openSession(encodeModel(builder.model()), threads === undefined ? {} : { threads });
  try {
    const fixed = {
      [base]: float32([rows, dim], known.features),
      [targets]: float32([rows, outputCount], train.targets ?? oneHot(train)),
    };
    const outputs = new Float32Array(asked.rows * outputCount);
    const chunk = Math.max(1, Math.floor(chunkElements / rows));
    for (let row = 0; row < asked.rows; row += chunk) {
      const end = Math.min(asked.rows, row + chunk);
      const x = float32([end - row, dim], asked.features.subarray(row * dim, end * dim));
      const run = await session.run({ ...fixed, [queries]: x });
      outputs.set(run[mean]!.data as Float32Array, row * outputCount);
    }
    return task.measure(outputs, set);
  } finally {
    await session.release();
  }
}

function oneHot({ labels, classes, rows }: FeatureSet): Float32Array {
  const hot = new Float32Array(rows * classes.length);
  labels.forEach((label, row) => (hot[row * classes.length + label] = 1));
  return hot;
}
