/** Values that are the same whatever a model is fed: shapes, positions, the mask of a decoder. */
import { cutModel } from '../graph/cut-model.js';
import type { InputSpec } from '../models/input-spec.js';
import { toInitializer } from '../onnx/initializer.js';
import type { Model } from '../onnx/ir.js';
import { openModel } from '../runtime/open-model.js';
import type { Tensor } from '../tensor/tensor.js';
import { trialFeeds } from './trial-feeds.js';

/**
 * Of `names` those that are equal in shape and value in two runs, on one example and on two others.
 * @param input - texts: of one length
 */
export async function findConstants(
  model: Model,
  names: readonly string[],
  input: InputSpec,
): Promise<Map<string, Tensor>> {
  if (names.length === 0) return new Map();
  const session = await openModel(cutModel(model, names), { threads: 1 });
  try {
    const [one, two] = [
      await session.run(trialFeeds(input, [0])),
      await session.run(trialFeeds(input, [1, 2])),
    ];
    return new Map(
      names.filter((name) => areEqual(one[name]!, two[name]!)).map((name) => [name, one[name]!]),
    );
  } finally {
    await session.release();
  }
}

/** The model with the values as weights in place of inputs. */
export function withConstants(model: Model, constants: ReadonlyMap<string, Tensor>): Model {
  const { graph } = model;
  const held = [...constants].map(([name, tensor]) => [name, toInitializer(name, tensor)] as const);
  return {
    ...model,
    graph: {
      ...graph,
      inputs: graph.inputs.filter(({ name }) => !constants.has(name)),
      initializers: new Map([...graph.initializers, ...held]),
    },
  };
}

function areEqual(a: Tensor, b: Tensor): boolean {
  return (
    a.dims.join() === b.dims.join() &&
    a.data.every((value: number | bigint, i: number) => value === b.data[i])
  );
}
