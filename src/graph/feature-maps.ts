import { attentionHeads } from './attention-heads.js';
import { countEnds, type DataFlow } from './data-flow.js';
import { rearranged } from './rearranged.js';
import type { ValueLayouts } from './value-layout.js';

/** A value of one example that has channels at several positions: maps, or tokens in rows and columns. */
export interface FeatureMap {
  readonly value: string;
  readonly channels: number;
  readonly positions: number;
  /** Outputs of the model that depend on it; one or more. */
  readonly reach: number;
}

/** In the order of the graph; the inside of an attention, which has the axes of maps, and merged patches are left out. */
export function featureMaps(flow: DataFlow, layouts: ValueLayouts): FeatureMap[] {
  const { nodes, outputs } = flow.graph;
  const reach = countEnds(
    flow,
    outputs.map(({ name }) => name).filter((name) => flow.carries(name)),
  );
  const heads = attentionHeads(flow, layouts);
  const merged = rearranged(flow, layouts);
  return nodes
    .flatMap((node) => flow.outputs(node))
    .filter((value) => layouts.shape(value).length >= 4 && layouts.shape(value)[0] === 1)
    .filter((value) => !heads.has(value) && !merged.has(value))
    .map((value) => ({
      value,
      channels: layouts.channels(value),
      positions: layouts.positions(value),
      reach: reach(value),
    }))
    .filter(({ positions, reach }) => positions >= 2 && reach > 0);
}
