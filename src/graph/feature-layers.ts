/** Where a new head may stand, found by the structure of the graph and the shapes of a probe run. */
import type { Model, Node } from '../onnx/ir.js';
import { countParameters } from './count-parameters.js';
import { ancestors, type DataFlow, traceData } from './data-flow.js';
import { deepestStage } from './deepest-stage.js';
import { defaultPool, hasClassToken } from './default-pool.js';
import { type BlockStructure, findBlocks } from './find-blocks.js';
import { type Ending, findEnding } from './find-ending.js';
import { lastTokens } from './last-tokens.js';
import { mainInputs } from './main-inputs.js';
import type { Pool } from './pool-features.js';
import { channelCount, type Layout, positionCount, type Shapes, valueLayouts } from './value-layout.js';

export interface FeatureLayer {
  readonly name: string;
  /** Shape for one example, batch first. */
  readonly shape: readonly number[];
  readonly kind: 'vector' | 'maps' | 'tokens';
  /** What `--pool` is by default here. */
  readonly pool: Pool;
  /** Numbers in a feature vector after `pool`. */
  readonly dim: number;
  readonly recommended: boolean;
  readonly reason: string;
  /** Numbers in the weights that only what follows needs. */
  readonly parametersAfter: number;
  /** Whether every operator between here and the recommended layer has a gradient, so that all of it can be tuned. */
  readonly trainableFromHere: boolean;
}

export interface ModelStructure {
  /** In the order of the graph; none is recommended where no structure was recognised. */
  readonly layers: readonly FeatureLayer[];
  /** What computes the recommended layer, and the rest. */
  readonly blocks?: BlockStructure;
}

export interface StructureOptions {
  /** Whether an operator has a gradient. */
  readonly isDifferentiable?: (node: Node) => boolean;
}

/** @param shapes - of every value, from a run on one example */
export function listFeatureLayers(
  model: Model,
  shapes: Shapes,
  options: StructureOptions = {},
): readonly FeatureLayer[] {
  return analyseStructure(model, shapes, options).layers;
}

/**
 * Recommended is what entered the old classifier, else the model's own embedding, else the last tokens of a
 * transformer, else the end of the backbone of a convolutional network. The others are where all data passes: ends of
 * stages and blocks.
 */
export function analyseStructure(
  model: Model,
  shapes: Shapes,
  { isDifferentiable = () => false }: StructureOptions = {},
): ModelStructure {
  const { graph } = model;
  const flow = traceData(graph, mainInputs(graph, shapes));
  const layouts = valueLayouts(graph, shapes);
  const best = recommend(flow, shapes, layouts);
  if (!best) return { layers: [] };
  const blocks = findBlocks(flow, shapes, layouts, best.value);
  const classToken = hasClassToken(flow, shapes);
  const parameters = countParameters(graph);
  const isStuck = stuckValues(flow, best.value, isDifferentiable);
  const describe = (name: string, reason: string): FeatureLayer => {
    const shape = shapes.get(name)!;
    const layout = layouts.get(name)!;
    const pool = defaultPool(name, { shape, layout, classToken });
    const positions = positionCount(shape, layout);
    return {
      name,
      shape,
      kind: positions === 1 ? 'vector' : shape.length === 3 ? 'tokens' : 'maps',
      pool,
      dim: pool === 'none' ? shape.reduce((a, b) => a * b, 1) : channelCount(shape, layout),
      recommended: name === best.value,
      reason,
      parametersAfter: parameters.total - parameters.before(name),
      trainableFromHere: !isStuck(name),
    };
  };
  const reasons = new Map<string, string>();
  for (const { name, reason } of candidates(blocks, flow, shapes, layouts)) reasons.set(name, reason);
  reasons.set(best.value, best.reason);
  const order = new Map(graph.nodes.flatMap(({ outputs }, i) => outputs.map((name) => [name, i] as const)));
  const layers = [...reasons]
    .filter(([name]) => (shapes.get(name)?.length ?? 0) >= 2 && shapes.get(name)![0] === 1)
    .sort(([a], [b]) => order.get(a)! - order.get(b)!)
    .map(([name, reason]) => describe(name, reason));
  return { layers, blocks };
}

interface Recommendation {
  readonly value: string;
  readonly reason: string;
}

function recommend(
  flow: DataFlow,
  shapes: Shapes,
  layouts: ReadonlyMap<string, Layout>,
): Recommendation | undefined {
  const ending = findEnding(flow, shapes, layouts);
  const isComputed = (value: string): boolean => flow.producer(value) !== undefined;
  if (ending?.kind === 'classifier' && isComputed(ending.feature)) {
    const shape = shapes.get(ending.feature)!;
    const isMap = positionCount(shape, layouts.get(ending.feature)!) > 1;
    return {
      value: ending.feature,
      reason: `${isMap ? 'last maps' : 'last vector'} before the old classifier of ${classes(ending)}`,
    };
  }
  if (ending?.kind === 'embedding' && isComputed(ending.feature)) {
    return { value: ending.feature, reason: "the model's own embedding, its output" };
  }
  const isDetector = flow.graph.outputs.some(
    ({ name }) => (shapes.get(name)?.length ?? 0) >= 2 && shapes.get(name)!.at(-1) === 4,
  );
  const stage = deepestStage(flow, shapes, layouts);
  if (!isDetector || stage === undefined) {
    if (ending?.kind === 'tokenClassifier' && isComputed(ending.feature)) {
      return { value: ending.feature, reason: `last tokens before the old classifier of ${classes(ending)}` };
    }
    const tokens = lastTokens(flow, shapes, layouts);
    if (tokens !== undefined) return { value: tokens, reason: 'last tokens of the transformer' };
  }
  if (ending?.kind === 'pooler' && isComputed(ending.feature)) {
    return { value: ending.feature, reason: "the model's pooled output" };
  }
  return stage === undefined
    ? undefined
    : { value: stage, reason: 'richest maps at the end of the backbone' };
}

function classes({ size }: Ending): string {
  return `${size} ${size === 1 ? 'score' : 'classes'}`;
}

/** Ends of stages; ends of all blocks where those are transformer blocks or the last stage. */
function candidates(
  { stages }: BlockStructure,
  flow: DataFlow,
  shapes: Shapes,
  layouts: ReadonlyMap<string, Layout>,
): { name: string; reason: string }[] {
  const found: { name: string; reason: string }[] = [];
  const spatial = stages.filter(({ end }) => end.positions > 1);
  for (const stage of stages) {
    const shape = shapes.get(stage.end.end)!;
    const isTokens = shape.length === 3;
    const isVector = stage.end.positions === 1;
    const isLast = stage === spatial.at(-1);
    for (const [i, block] of stage.blocks.entries()) {
      if (!(isVector || block === stage.end || isLast || block.hasAttention)) continue;
      const place = `block ${i + 1} of ${stage.blocks.length}`;
      const reason = isVector
        ? i === 0 && !block.isWeighted
          ? 'pooled vector'
          : 'vector between dense layers'
        : block === stage.end
          ? `end of the stage of ${formatPlaces(shape, layouts.get(stage.end.end)!)}`
          : isTokens
            ? `end of ${place}`
            : `end of ${place} of the last stage`;
      found.push({ name: block.end, reason });
    }
  }
  // Cells that take the two before them (NASNet) leave no value that all data passes: sizes alone must tell.
  return spatial.length >= 2 ? found : [...stageEndsBySize(stages, flow, shapes, layouts), ...found];
}

function stageEndsBySize(
  stages: BlockStructure['stages'],
  flow: DataFlow,
  shapes: Shapes,
  layouts: ReadonlyMap<string, Layout>,
): { name: string; reason: string }[] {
  const to = stages.at(-1)?.end.end;
  if (to === undefined) return [];
  const leading = ancestors(flow, [to]);
  const ends: { name: string; reason: string; positions: number; channels: number }[] = [];
  for (const node of flow.graph.nodes) {
    const name = flow.outputs(node)[0];
    const shape = name === undefined ? undefined : shapes.get(name);
    if (name === undefined || shape?.length !== 4 || shape[0] !== 1 || !leading.has(name)) continue;
    const layout = layouts.get(name)!;
    const positions = positionCount(shape, layout);
    const channels = channelCount(shape, layout);
    const last = ends.at(-1);
    if (positions <= 1 || (last && positions > last.positions)) continue;
    const end = { name, positions, channels, reason: `richest of ${formatPlaces(shape, layout)}` };
    if (!last || positions < last.positions) ends.push(end);
    else if (channels >= last.channels) ends[ends.length - 1] = end;
  }
  return ends;
}

function formatPlaces(shape: readonly number[], layout: Layout): string {
  if (shape.length === 3) return `${positionCount(shape, layout)} tokens`;
  return (layout === 'channelsFirst' ? shape.slice(2) : shape.slice(1, -1)).join('x');
}

/** Tells the values from which some way to `to` meets an operator without a gradient. */
function stuckValues(
  flow: DataFlow,
  to: string,
  isDifferentiable: (node: Node) => boolean,
): (value: string) => boolean {
  const leading = ancestors(flow, [to]);
  const stuck = new Set<string>();
  for (const node of flow.graph.nodes.toReversed()) {
    const ahead = flow.outputs(node).filter((output) => leading.has(output) && output !== '');
    const isOnWay =
      ahead.length > 0 && !flow.outputs(node).includes(to) ? true : flow.outputs(node).includes(to);
    if (!isOnWay) continue;
    const blocks = !isDifferentiable(node) || ahead.some((output) => output !== to && stuck.has(output));
    if (blocks) for (const input of flow.inputs(node)) stuck.add(input);
  }
  return (value) => value !== to && stuck.has(value);
}
