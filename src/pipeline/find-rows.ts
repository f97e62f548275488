/** Values that have one row for each example, wherever in a run the example stands. */
import { cutModel } from '../graph/cut-model.js';
import { valueDtype } from '../graph/value-dtype.js';
import { exampleDims, type InputSpec } from '../models/input-spec.js';
import type { Model } from '../onnx/ir.js';
import { openModel } from '../runtime/open-model.js';
import { probeShapes } from '../runtime/probe-shapes.js';
import { isFloat } from '../tensor/dtype.js';
import type { Tensor } from '../tensor/tensor.js';
import { trialFeeds } from './trial-feeds.js';

export interface Rows {
  /** Of all values, of one example. */
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  readonly names: ReadonlySet<string>;
}

/**
 * Those of `names` whose first axis counts the examples. Integers that tell the place of an example in its run, as indices
 * of rows do, are no rows of examples: in another run the example stands elsewhere.
 * @param input - texts: of one length
 * @throws GraftError RUNTIME_FAILURE where the model does not run on two examples
 */
export async function findRows(model: Model, names: readonly string[], input: InputSpec): Promise<Rows> {
  const probe = (batch: number) =>
    probeShapes(model, {
      inputDims: new Map([...exampleDims(input)].map(([name, dims]) => [name, [batch, ...dims.slice(1)]])),
      names,
    });
  const [shapes, ofTwo] = [await probe(1), await probe(2)];
  // What has one row for two examples too is no batch of one, but the same for all: positions, angles.
  const counted = names.filter((name) => shapes.get(name)?.[0] === 1 && ofTwo.get(name)?.[0] === 2);
  const isIndex = (name: string): boolean => !isFloat(valueDtype(model.graph, name));
  const placed = await placesInRun(model, counted.filter(isIndex), input);
  return { shapes, names: new Set(counted.filter((name) => !placed.has(name))) };
}

/** Those whose rows differ for two copies of one example. */
async function placesInRun(
  model: Model,
  names: readonly string[],
  input: InputSpec,
): Promise<ReadonlySet<string>> {
  if (names.length === 0) return new Set();
  const session = await openModel(cutModel(model, names), { threads: 1 });
  try {
    const twice = await session.run(trialFeeds(input, [1, 1]));
    return new Set(names.filter((name) => !hasEqualHalves(twice[name]!)));
  } finally {
    await session.release();
  }
}

function hasEqualHalves({ data, dims }: Tensor): boolean {
  const half = data.length / 2;
  return (
    dims[0] === 2 &&
    data.slice(0, half).every((value: number | bigint, i: number) => value === data[half + i])
  );
}
