/** A model as a backbone: inspected, cut, freed in its batch, merged with a head and run, against the uncut model. */
import { messageOf } from '../src/errors.js';
import { dropInitializerInputs } from '../src/graph/drop-initializer-inputs.js';
import { exposeValues } from '../src/graph/expose-values.js';
import type { FeatureLayer } from '../src/graph/feature-layers.js';
import { freeBatch } from '../src/graph/free-batch.js';
import { mainInputs } from '../src/graph/main-inputs.js';
import { mergeModels } from '../src/graph/merge-models.js';
import { planFeeds } from '../src/graph/plan-feeds.js';
import { poolFeatures } from '../src/graph/pool-features.js';
import { GraphBuilder } from '../src/onnx/graph-builder.js';
import type { Shapes } from '../src/graph/value-layout.js';
import type { Model } from '../src/onnx/ir.js';
import { encodeModel } from '../src/onnx/write-model.js';
import { analyseModel } from '../src/pipeline/analyse-model.js';
import { createRng } from '../src/rng.js';
import { openSession } from '../src/runtime/open-session.js';
import type { TensorMap } from '../src/runtime/session.js';
import { dtypeInfo, isFloat } from '../src/tensor/dtype.js';
import { fromHalfArray, toHalf } from '../src/tensor/float16.js';
import { sizeOf } from '../src/tensor/shape.js';
import { float32, type Tensor } from '../src/tensor/tensor.js';

const batches = [1, 2, 33];
const classCount = 3;

export interface Trial {
  readonly layers: readonly FeatureLayer[];
  readonly tried: readonly string[];
  /** Largest difference beside the largest value. */
  readonly difference: number;
  /** The same with fused kernels, where it is more than rounding of sums. */
  readonly fused?: number;
}

/**
 * Cuts a model at three of its feature layers, or at those named, frees the batch, pools, merges with a linear head and
 * runs at batches 1, 2 and 33. What comes out must equal what the uncut model computes for each example alone, pooled and
 * multiplied here.
 *
 * Within 1e-5 of the largest value. Fused kernels may add up otherwise in another graph: where they differ by more (up to
 * 1e-4), the operators one by one must be within it. Models that round on the way (float16, int8) are within
 * 5e-2, operators one by one: a rounding that flips weighs. Scales of a dynamically quantised model depend on the whole batch: it runs at batch 1.
 *
 * @throws Error naming layer and batch where values differ, GraftError where something does not run.
 */
export async function tryBackbone(read: Model, names?: readonly string[]): Promise<Trial> {
  const model = dropInitializerInputs(read);
  const { layers, shapes } = await analyseModel(model);
  const chosen = names ? layers.filter(({ name }) => names.includes(name)) : chooseLayers(layers);
  if (chosen.length === 0) return { layers, tried: [], difference: 0 };
  const main = new Set(mainInputs(model.graph, shapes));
  const inputDims = new Map(
    model.graph.inputs.map(({ name }) => [name, shapes.get(name)!] satisfies [string, readonly number[]]),
  );
  const fed = planFeeds(model.graph, { inputDims });
  const isByBatch = model.graph.nodes.some(({ opType }) => /^Dynamic/.test(opType));
  const sizes = isByBatch ? [1] : batches;
  const examples = Array.from({ length: Math.max(...sizes) }, (_, i) => exampleOf(fed, main, i));
  const compare = (optimization: Optimization): Promise<Difference> =>
    largestOf(model, chosen, { shapes, examples, sizes, optimization });
  const tried = chosen.map(({ name }) => name);
  const fused = await compare('all');
  if (fused.size <= 1e-5) return { layers, tried, difference: fused.size };
  // Kernels that round or add up otherwise when fused differ between two graphs; the operators one by one do not.
  if (!isRounding(model) && !(fused.size <= 1e-4)) throw new Error(tooFar(fused));
  const plain = await compare('disabled');
  if (!(plain.size <= (isRounding(model) ? 5e-2 : 1e-5))) throw new Error(tooFar(plain));
  return { layers, tried, difference: plain.size, fused: fused.size };
}

const tooFar = ({ size, where }: Difference): string => `${where}: differs by ${size.toExponential(1)}`;

function isRounding({ graph }: Model): boolean {
  return (
    graph.nodes.some(({ opType }) => /^(QLinear|Quantize|Dynamic|.*Integer|QGemm)/.test(opType)) ||
    [...graph.initializers.values()].some(({ dtype }) => dtype === 'float16')
  );
}

type Optimization = 'all' | 'disabled';

/** Beside the largest value, and where. */
interface Difference {
  readonly size: number;
  readonly where: string;
}

async function largestOf(
  model: Model,
  layers: readonly FeatureLayer[],
  options: {
    readonly shapes: Shapes;
    readonly examples: readonly TensorMap[];
    readonly sizes: readonly number[];
    readonly optimization: Optimization;
  },
): Promise<Difference> {
  const { shapes, examples, sizes, optimization } = options;
  const expected = await featuresOf(model, layers, examples, optimization);
  let largest: Difference = { size: 0, where: '' };
  for (const layer of layers) {
    for (const size of sizes) {
      const where = `${layer.name} at batch ${size}`;
      const fed = examples.slice(0, size);
      const outputs = await runWithHead(model, layer, { shapes, examples: fed, optimization }).catch(
        (error: unknown) => {
          throw new Error(`${where}: ${messageOf(error)}`, { cause: error });
        },
      );
      const features = expected.get(layer.name)!.slice(0, size);
      for (const found of [
        relativeDifference(outputs.features!.data as Float32Array, features.flat()),
        relativeDifference(outputs.logits!.data as Float32Array, features.flatMap(multiply)),
      ]) {
        if (!(found <= largest.size)) largest = { size: found, where };
      }
    }
  }
  return largest;
}

/** The recommended layer, and of the others an early and a middle one. */
function chooseLayers(layers: readonly FeatureLayer[]): FeatureLayer[] {
  const best = layers.filter(({ recommended }) => recommended);
  const others = layers.filter(({ recommended }) => !recommended);
  return [...new Set([...best, others[0], others[Math.floor(others.length / 2)], others.at(-1)])]
    .filter((layer) => layer !== undefined)
    .slice(0, 3);
}

/** Noise, or other token ids, in place of what the probe run was fed; masks and the like stay. */
function exampleOf(fed: ReadonlyMap<string, Tensor>, main: ReadonlySet<string>, seed: number): TensorMap {
  const rng = createRng(seed + 1);
  const feeds: Record<string, Tensor> = {};
  for (const [name, tensor] of fed) {
    feeds[name] = tensor;
    if (!main.has(name)) continue;
    const { dtype, dims } = tensor;
    const data = new (dtypeInfo(dtype).array)(tensor.data.length);
    for (let i = 0; i < data.length; i++) {
      const uniform = rng.uniform();
      const integer = Math.floor(uniform * (dims.length === 4 ? 128 : 20)) + (dims.length === 4 ? 0 : 1);
      if (dtype === 'int64' || dtype === 'uint64') (data as BigInt64Array)[i] = BigInt(integer);
      else if (dtype === 'float16') (data as Uint16Array)[i] = toHalf(uniform);
      else (data as Float32Array)[i] = isFloat(dtype) ? uniform : integer;
    }
    feeds[name] = { dtype, dims, data };
  }
  return feeds;
}

/** Of every layer and example: the features that the uncut model gives for it alone. */
async function featuresOf(
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

const weight = (row: number, column: number): number => Math.fround(Math.sin(row * classCount + column));

function multiply(features: readonly number[]): number[] {
  return Array.from({ length: classCount }, (_, c) =>
    features.reduce((sum, value, i) => sum + value * weight(i, c), 0),
  );
}

async function runWithHead(
  model: Model,
  { name, pool: kind }: FeatureLayer,
  options: { shapes: Shapes; examples: readonly TensorMap[]; optimization: Optimization },
): Promise<Record<string, Tensor>> {
  const { shapes, examples, optimization } = options;
  const pooled = poolFeatures(freeBatch(model, shapes), name, { pool: kind, shape: shapes.get(name)! });
  const b = new GraphBuilder({ opset: model.opsets.get('') ?? 17 });
  const x = b.input('x', 'float32', ['N', pooled.dim]);
  const matrix = Float32Array.from({ length: pooled.dim * classCount }, (_, i) => Math.sin(i));
  b.output(
    b.op('MatMul', [x, b.constant('w', float32([pooled.dim, classCount], matrix))]),
    'float32',
    ['N', classCount],
    'logits',
  );
  const merged = mergeModels(pooled.model, b.model(), {
    connect: { [pooled.output]: x },
    keep: [pooled.output],
  });
  const session = await openSession(encodeModel(merged), { optimization });
  try {
    const feeds: Record<string, Tensor> = {};
    for (const input of session.inputNames) feeds[input] = stack(examples.map((example) => example[input]!));
    const outputs = await session.run(feeds);
    return { features: outputs[pooled.output]!, logits: outputs.logits! };
  } finally {
    await session.release();
  }
}

/** Examples side by side where their first axis is a batch of one. */
function stack(rows: readonly Tensor[]): Tensor {
  const { dtype, dims, data } = rows[0]!;
  if (dims[0] !== 1) return rows[0]!;
  const all = new (dtypeInfo(dtype).array)(data.length * rows.length);
  for (const [i, row] of rows.entries()) all.set(row.data as never, i * data.length);
  return { dtype, dims: [rows.length, ...dims.slice(1)], data: all };
}

/** NaN where something is missing or is no number. */
function relativeDifference(given: Float32Array, wanted: readonly number[]): number {
  if (given.length !== wanted.length) return Number.NaN;
  let largest = 0;
  let difference = 0;
  for (const [i, value] of wanted.entries()) {
    largest = Math.max(largest, Math.abs(value));
    const here = Math.abs(value - given[i]!);
    if (!(here <= difference)) difference = here;
  }
  return difference / Math.max(largest, 1e-3);
}
