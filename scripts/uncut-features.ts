/** What an uncut model computes at its feature layers, and how certain that is. */
import type { FeatureLayer } from '../src/graph/feature-layers.js';
import { constantOfNode } from '../src/onnx/constant-node.js';
import { toInitializer, toTensor } from '../src/onnx/initializer.js';
import type { Model } from '../src/onnx/ir.js';
import { encodeModel } from '../src/onnx/write-model.js';
import { createRng } from '../src/rng.js';
import { openSession } from '../src/runtime/open-session.js';
import type { TensorMap } from '../src/runtime/session.js';
import { dtypeInfo } from '../src/tensor/dtype.js';
import { fromHalfArray, toHalf } from '../src/tensor/float16.js';
import { sizeOf } from '../src/tensor/shape.js';
import type { Tensor } from '../src/tensor/tensor.js';
import { exposeValues } from './expose-values.js';

export type Optimization = 'all' | 'disabled';

/** Of every layer and example: the features that the uncut model gives for it alone. */
export async function featuresOf(
  model: Model,
  layers: readonly FeatureLayer[],
  examples: readonly TensorMap[],
  optimization: Optimization,
): Promise<Map<string, number[][]>> {
  const exposed = exposeValues(
    model,
    layers.map(({ name }) => name),
  );
  const session = await openSession(encodeModel(exposed), { optimization });
  const features = new Map(layers.map(({ name }) => [name, [] as number[][]]));
  try {
    for (const example of examples) {
      const outputs = await session.run(example);
      for (const layer of layers) features.get(layer.name)!.push(pool(outputs[layer.name]!, layer));
    }
  } finally {
    await session.release();
  }
  return features;
}

function pool({ dtype, dims, data }: Tensor, { pool: kind }: FeatureLayer): number[] {
  const values =
    dtype === 'float16' ? fromHalfArray(data as Uint16Array) : Array.from(data as Float32Array, Number);
  if (kind === 'none') return Array.from(values);
  if (kind === 'cls') return Array.from(values.slice(0, dims.at(-1)));
  if (kind === 'last') return Array.from(values.slice(-dims.at(-1)!));
  const isFirst = kind === 'avg';
  const channels = isFirst ? dims[1]! : dims.at(-1)!;
  const positions = sizeOf(dims) / channels;
  return Array.from({ length: channels }, (_, channel) => {
    let sum = 0;
    for (let i = 0; i < positions; i++)
      sum += values[isFirst ? channel * positions + i : i * channels + channel]!;
    return sum / positions;
  });
}

const hasFreeBatch = ({ graph }: Model): boolean =>
  graph.inputs.every(({ type }) => type?.kind === 'tensor' && type.shape?.[0] !== 1);

/** The same of one run on all examples. */
async function featuresTogether(
  model: Model,
  layers: readonly FeatureLayer[],
  examples: readonly TensorMap[],
): Promise<Map<string, number[][]>> {
  const names = layers.map(({ name }) => name);
  const session = await openSession(encodeModel(exposeValues(model, names)), { optimization: 'disabled' });
  try {
    const fed = session.inputNames.map((name) => [name, stack(examples.map((row) => row[name]!))] as const);
    const outputs = await session.run(Object.fromEntries(fed));
    return new Map(
      layers.map((layer) => [
        layer.name,
        rowsOf(outputs[layer.name]!, examples.length).map((row) => pool(row, layer)),
      ]),
    );
  } finally {
    await session.release();
  }
}

/** A batch as examples; none where the first axis is something else. */
function rowsOf({ dtype, dims, data }: Tensor, count: number): Tensor[] {
  if (dims[0] !== count) return [];
  const length = data.length / count;
  return Array.from({ length: count }, (_, i) => ({
    dtype,
    dims: [1, ...dims.slice(1)],
    data: data.slice(i * length, (i + 1) * length),
  }));
}

/**
 * How much of a difference is the model's own, and no mistake: thrice what a change of each weight by some rounding
 * errors makes, as sums in another order amount to, or what the uncut model itself gives for many examples at once
 * (undefined where it takes but one).
 */
export async function uncertaintyOf(
  model: Model,
  layers: readonly FeatureLayer[],
  examples: readonly TensorMap[],
): Promise<number> {
  const given = await featuresOf(model, layers, examples, 'disabled');
  const others = [await featuresOf(shake(model), layers, examples, 'disabled')];
  if (hasFreeBatch(model)) others.push(await featuresTogether(model, layers, examples));
  let noise = 0;
  for (const { name } of layers) {
    for (const [i, row] of given.get(name)!.entries()) {
      for (const other of others) {
        const found = relativeDifference(other.get(name)![i]!, row);
        if (Number.isFinite(found)) noise = Math.max(noise, found);
      }
    }
  }
  return 3 * noise;
}

function shake(model: Model): Model {
  const rng = createRng(7);
  const { graph } = model;
  const initializers = new Map(graph.initializers);
  for (const node of graph.nodes) {
    const constant = constantOfNode(node);
    if (constant) initializers.set(node.outputs[0]!, { ...constant, name: node.outputs[0]! });
  }
  const nodes = graph.nodes.filter(({ outputs }) => !initializers.has(outputs[0]!));
  const scales = new Set(
    nodes.filter(({ opType }) => /Quantize/.test(opType)).map(({ inputs }) => inputs[1]),
  );
  for (const [name, initializer] of initializers) {
    if (initializer.dtype !== 'float32' && initializer.dtype !== 'float16') continue;
    // What has fewer axes may be a factor that sizes are computed with.
    if (initializer.dims.length < 2 && !scales.has(name)) continue;
    const { dtype, dims, data } = toTensor(initializer);
    const shaken =
      dtype === 'float32'
        ? (data as Float32Array).map((value) => value * (1 + 1e-6 * (rng.uniform() - 0.5)))
        : Uint16Array.from(fromHalfArray(data as Uint16Array), (value) =>
            toHalf(value * (1 + 1e-3 * (rng.uniform() - 0.5))),
          );
    initializers.set(name, toInitializer(name, { dtype, dims, data: shaken }));
  }
  return { ...model, graph: { ...graph, nodes, initializers } };
}

/** Examples side by side where their first axis is a batch of one. */
export function stack(rows: readonly Tensor[]): Tensor {
  const { dtype, dims, data } = rows[0]!;
  if (dims[0] !== 1) return rows[0]!;
  const all = new (dtypeInfo(dtype).array)(data.length * rows.length);
  for (const [i, row] of rows.entries()) all.set(row.data as never, i * data.length);
  return { dtype, dims: [rows.length, ...dims.slice(1)], data: all };
}

/**
 * Beside the largest finite value, or `scale` if that is larger. What is no number on both sides alike is no difference;
 * on one side alone it is an infinite one, as is a length other than that wanted.
 */
export function relativeDifference(given: ArrayLike<number>, wanted: readonly number[], scale = 0): number {
  if (given.length !== wanted.length) return Infinity;
  let largest = Number.isFinite(scale) ? Math.max(scale, 1e-3) : 1e-3;
  let difference = 0;
  for (const [i, value] of wanted.entries()) {
    if (Object.is(value, given[i])) continue;
    if (!Number.isFinite(value - given[i]!)) return Infinity;
    largest = Math.max(largest, Math.abs(value));
    difference = Math.max(difference, Math.abs(value - given[i]!));
  }
  return difference / largest;
}
