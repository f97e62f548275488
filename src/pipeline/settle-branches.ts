/** Branches that every example takes, in the place of the If nodes that choose them: to be looked into, and trained. */
import { GraftError } from '../errors.js';
import { cutModel } from '../graph/cut-model.js';
import { fixedConditions } from '../graph/fixed-conditions.js';
import { planFeeds } from '../graph/plan-feeds.js';
import { takeBranches } from '../graph/take-branches.js';
import { factsOf } from '../graph/value-facts.js';
import type { Model } from '../onnx/ir.js';
import { openModel } from '../runtime/open-model.js';
import { type ProbeOptions, probeShapes } from '../runtime/probe-shapes.js';
import type { TensorMap } from '../runtime/session.js';
import type { Tensor } from '../tensor/tensor.js';

/** Branches may lie in branches. */
const mostRounds = 20;

/**
 * A condition counts as known where it follows from constants, or from sizes that the file declares and that are not the
 * batch's. The others stay, and so does everything in a model that does not run here.
 */
export async function settleBranches(model: Model, probe: ProbeOptions = {}): Promise<Model> {
  let settled = model;
  for (let round = 0; round < mostRounds; round++) {
    const graph = takeBranches(settled.graph, await knownConditions(settled, probe));
    if (graph === settled.graph) break;
    settled = { ...settled, graph };
  }
  return settled;
}

async function knownConditions(model: Model, probe: ProbeOptions): Promise<Map<string, boolean>> {
  const { graph } = model;
  if (!graph.nodes.some(({ opType }) => opType === 'If')) return new Map();
  try {
    const { constant } = fixedConditions(graph);
    if (constant.length > 0) {
      const { constantOf } = factsOf(graph);
      const known = new Map<string, boolean>();
      for (const name of constant) {
        const tensor = constantOf(name);
        if (tensor) known.set(name, isTrue(tensor));
      }
      const computed = constant.filter((name) => !known.has(name));
      if (computed.length === 0) return known;
      return new Map([...known, ...(await valuesOf(model, computed, [{}]))]);
    }
    const { ofSizes } = fixedConditions(graph, await probeShapes(model, probe));
    if (ofSizes.length === 0) return new Map();
    const { graph: cut } = cutModel(model, ofSizes);
    const alone = Object.fromEntries(planFeeds(cut, probe));
    const isFree = cut.inputs.every(
      ({ type }) => type?.kind === 'tensor' && typeof type.shape?.[0] !== 'number',
    );
    const dims = new Map(Object.entries(alone).map(([name, tensor]) => [name, [3, ...tensor.dims.slice(1)]]));
    const three = isFree ? [Object.fromEntries(planFeeds(cut, { ...probe, inputDims: dims }))] : [];
    return await valuesOf(model, ofSizes, [alone, ...three]);
  } catch (error) {
    if (error instanceof GraftError) return new Map();
    throw error;
  }
}

/** Those that are the same in all runs. */
async function valuesOf(
  model: Model,
  names: readonly string[],
  runs: readonly TensorMap[],
): Promise<Map<string, boolean>> {
  const session = await openModel(cutModel(model, names), { threads: 1 });
  try {
    const known = new Map<string, boolean>();
    for (const [i, feeds] of runs.entries()) {
      const outputs = await session.run(feeds);
      for (const name of names) {
        const value = isTrue(outputs[name]!);
        if (i === 0) known.set(name, value);
        else if (known.get(name) !== value) known.delete(name);
      }
    }
    return known;
  } finally {
    await session.release();
  }
}

const isTrue = ({ data }: Tensor): boolean => Number(data[0]) !== 0;
