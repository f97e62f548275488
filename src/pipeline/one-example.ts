/** Models that take a fixed number of examples at once, as backbones: changed to take one, and tried against themselves. */
import { randomFeeds } from '../autodiff/random-feeds.js';
import { GraftError } from '../errors.js';
import { cutModel } from '../graph/cut-model.js';
import { inlineFunctions } from '../graph/inline-functions.js';
import { declaredBatch, takeOneExample } from '../graph/take-one-example.js';
import { takesOne } from '../models/input-spec.js';
import type { Model } from '../onnx/ir.js';
import { createRng } from '../rng.js';
import { openModel } from '../runtime/open-model.js';
import { probeShapes } from '../runtime/probe-shapes.js';
import type { TensorMap } from '../runtime/session.js';
import { dtypeInfo } from '../tensor/dtype.js';
import { sizeOf } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { toFloat32 } from '../tensor/to-float32.js';
import type { Backbone } from './prepare-backbone.js';

/** A model of one example, or with a free batch, stays as it is. */
export async function asOneExample(model: Model): Promise<Model> {
  const batch = declaredBatch(model.graph);
  if (batch === undefined) return model;
  const plain = inlineFunctions(model);
  return takeOneExample(plain, batch === 0 ? new Map() : await probeShapes(plain));
}

/** What rounding may change, as a share of the largest value. */
const tolerance = 1e-3;

/**
 * Tries layer and features on random examples: the first and the last of a batch must give what they give alone.
 * @param one - what `asOneExample` made of the model
 * @throws GraftError RUNTIME_FAILURE where they do not.
 */
export async function assertSameAlone(
  model: Model,
  one: Model,
  { layer, features, outputName, input }: Pick<Backbone, 'layer' | 'features' | 'outputName' | 'input'>,
): Promise<void> {
  const batch = declaredBatch(model.graph);
  if (batch === undefined || batch === 0) return;
  const whole = cutModel(inlineFunctions(model), [layer]);
  const feeds = randomFeeds(whole.graph.inputs, {}, undefined, createRng(1));
  const alone = [0, batch - 1].map((example) => ({
    example,
    feeds: Object.fromEntries(
      Object.entries(feeds).map(([name, tensor]) => [name, exampleOf(tensor, example, batch)]),
    ),
  }));
  await assertSame([whole, cutModel(one, [layer])], layer, feeds, alone);
  if (takesOne(input)) return;
  // An input of pixels that takes floats now has another name.
  const isFed = features.graph.inputs.every(({ name }) => Object.hasOwn(feeds, name));
  if (isFed) await assertSame([features, features], outputName, feeds, alone);
}

async function assertSame(
  [whole, single]: readonly [Model, Model],
  name: string,
  batch: TensorMap,
  alone: readonly { readonly example: number; readonly feeds: TensorMap }[],
): Promise<void> {
  const expected = await valueOf(whole, batch, name);
  const largest = expected.data.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  for (const { example, feeds } of alone) {
    const found = await valueOf(single, feeds, name);
    const apart = partOf(expected, found.dims, example);
    if (apart && found.data.every((value, i) => Math.abs(value - apart[i]!) <= tolerance * largest)) continue;
    throw new GraftError('RUNTIME_FAILURE', `${name} has other values for an example alone than in a batch`);
  }
}

interface Values {
  readonly dims: readonly number[];
  readonly data: Float32Array;
}

async function valueOf(model: Model, feeds: TensorMap, name: string): Promise<Values> {
  const session = await openModel(model);
  try {
    const fed = Object.entries(feeds).filter(([input]) => session.inputNames.includes(input));
    const value = (await session.run(Object.fromEntries(fed)))[name]!;
    return { dims: value.dims, data: toFloat32(value) };
  } finally {
    await session.release();
  }
}

/** The example's part of a batch, which lies along the one axis that is longer than an example's; undefined for none. */
function partOf({ dims, data }: Values, own: readonly number[], example: number): Float32Array | undefined {
  const axis = own.findIndex((dim, i) => dim !== dims[i]);
  if (axis < 0 || own.length !== dims.length || sizeOf(dims) % sizeOf(own) !== 0) return undefined;
  const inner = sizeOf(own.slice(axis));
  const whole = sizeOf(dims.slice(axis));
  return Float32Array.from(
    { length: sizeOf(own) },
    (_, i) => data[Math.floor(i / inner) * whole + example * inner + (i % inner)]!,
  );
}

function exampleOf({ dtype, dims, data }: Tensor, example: number, batch: number): Tensor {
  const own = [dims[0]! / batch, ...dims.slice(1)];
  const size = sizeOf(own);
  const values = new (dtypeInfo(dtype).array)(size);
  for (let i = 0; i < size; i++) values[i] = data[example * size + i]!;
  return { dtype, dims: own, data: values };
}
