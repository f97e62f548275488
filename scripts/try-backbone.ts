/** A model as a backbone: inspected, cut, freed in its batch, merged with a head and run, against the uncut model. */
import { messageOf } from '../src/errors.js';
import { dropInitializerInputs } from '../src/graph/drop-initializer-inputs.js';
import type { FeatureLayer } from '../src/graph/feature-layers.js';
import { freeBatch } from '../src/graph/free-batch.js';
import { holdStates } from '../src/graph/hold-states.js';
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
import { toHalf } from '../src/tensor/float16.js';
import { float32, type Tensor } from '../src/tensor/tensor.js';
import { featuresOf, type Optimization, relativeDifference, stack, uncertaintyOf } from './uncut-features.js';

const classCount = 3;

export interface Trial {
  readonly layers: readonly FeatureLayer[];
  readonly tried: readonly string[];
  /** Largest difference beside the largest value. */
  readonly difference: number;
  /** The same with fused kernels, where it is more than rounding of sums. */
  readonly fused?: number;
}

export interface TrialOptions {
  /** The layers to cut at; by default three that are chosen. */
  readonly names?: readonly string[];
  readonly batches?: readonly number[];
}

/**
 * Cuts a model at three of its feature layers, or at those named, frees the batch, pools, merges with a linear head and
 * runs at several batches. What comes out must equal what the uncut model computes for each example alone, pooled and
 * multiplied here.
 *
 * Within 1e-5 of the largest value, operators one by one where kernels are fused otherwise in another graph. Some models
 * are less certain than that by themselves, when sums that cancel are added up in another order, or a rounding to float16
 * or int8 flips: what is allowed then is three times what rounding makes of the uncut model. In any case each example must be nearest
 * to itself. Scales of a dynamically quantised model depend on the whole batch: it runs at batch 1.
 *
 * @throws Error naming layer and batch where values differ, GraftError where something does not run.
 */
export async function tryBackbone(
  read: Model,
  { names, batches = [1, 2, 33] }: TrialOptions = {},
): Promise<Trial> {
  const model = holdStates(dropInitializerInputs(read));
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
  const drawn = Array.from({ length: Math.max(...sizes) }, (_, i) => exampleOf(fed, main, i));
  // A mask may also tell what is padding: where ones hide everything, nothing is masked by zeros.
  const isHidden = allZero(await featuresOf(model, chosen, drawn.slice(0, 1), 'all'));
  const examples = isHidden ? drawn.map(withoutMasks) : drawn;
  const compare = async (optimization: Optimization): Promise<Difference> => {
    const expected = await featuresOf(model, chosen, examples, optimization);
    return largestOf(model, chosen, expected, { shapes, examples, sizes, optimization });
  };
  const tried = chosen.map(({ name }) => name);
  const fused = await compare('all');
  if (fused.size <= 1e-5) return { layers, tried, difference: fused.size };
  const plain = await compare('disabled');
  if (plain.size > 1e-5) {
    const allowed = await uncertaintyOf(model, chosen, examples);
    if (plain.size > allowed)
      throw new Error(`${tooFar(plain)} where ${allowed.toExponential(1)} is allowed`);
  }
  return { layers, tried, difference: plain.size, fused: fused.size };
}

const tooFar = ({ size, where }: Difference): string => `${where}: differs by ${size.toExponential(1)}`;

/** Beside the largest value, and where. */
interface Difference {
  readonly size: number;
  readonly where: string;
}

async function largestOf(
  model: Model,
  layers: readonly FeatureLayer[],
  expected: ReadonlyMap<string, readonly (readonly number[])[]>,
  options: {
    readonly shapes: Shapes;
    readonly examples: readonly TensorMap[];
    readonly sizes: readonly number[];
    readonly optimization: Optimization;
  },
): Promise<Difference> {
  const { shapes, examples, sizes, optimization } = options;
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
      assertNearestToSelf(outputs.features!, features, where);
      for (const found of [
        relativeDifference(outputs.features!.data as Float32Array, features.flat()),
        relativeDifference(
          outputs.logits!.data as Float32Array,
          features.flatMap((row) => multiply(row)),
          // Terms that cancel round as what they are, not as what is left of them.
          Math.max(...features.flatMap((row) => multiply(row, Math.abs))),
        ),
      ]) {
        if (found > largest.size) largest = { size: found, where };
      }
    }
  }
  return largest;
}

/** @throws Error where a row of the batch is another example's rather than its own. */
function assertNearestToSelf(
  { data }: Tensor,
  expected: readonly (readonly number[])[],
  where: string,
): void {
  const width = data.length / expected.length;
  const values = data as Float32Array;
  for (let i = 0; i < expected.length; i++) {
    const row = values.subarray(i * width, (i + 1) * width);
    const distances = expected.map((other) => relativeDifference(row, other));
    const nearest = Math.min(...distances);
    if (distances[i]! > nearest + 1e-6) {
      throw new Error(
        `${where}: row ${i} is nearer to example ${distances.indexOf(nearest)} than to its own`,
      );
    }
  }
}

/** The recommended layer, and of the others an early and a middle one. */
function chooseLayers(layers: readonly FeatureLayer[]): FeatureLayer[] {
  const best = layers.filter(({ recommended }) => recommended);
  const others = layers.filter(({ recommended }) => !recommended);
  return [...new Set([...best, others[0], others[Math.floor(others.length / 2)], others.at(-1)])]
    .filter((layer) => layer !== undefined)
    .slice(0, 3);
}

const allZero = (features: ReadonlyMap<string, readonly (readonly number[])[]>): boolean =>
  [...features.values()].some((rows) => rows.flat().every((value) => value === 0));

const withoutMasks = (feeds: TensorMap): TensorMap =>
  Object.fromEntries(
    Object.entries(feeds).map(([name, tensor]) => [
      name,
      tensor.dtype === 'bool' ? { ...tensor, data: new Uint8Array(tensor.data.length) } : tensor,
    ]),
  );

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

const weight = (row: number, column: number): number => Math.fround(Math.sin(row * classCount + column));

function multiply(features: readonly number[], form: (term: number) => number = (term) => term): number[] {
  return Array.from({ length: classCount }, (_, c) =>
    features.reduce((sum, value, i) => sum + form(value * weight(i, c)), 0),
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
