/** Where a new head may stand, found by the structure of the graph and the shapes of a probe run. */
import type { Graph, Model, Node } from '../onnx/ir.js';
import { sizeOf } from '../tensor/shape.js';
import { withScores } from './before-label.js';
import { countParameters } from './count-parameters.js';
import { ancestors, type DataFlow, traceData } from './data-flow.js';
import { afterAttention, defaultPools } from './default-pool.js';
import { explainNoLayers } from './explain-no-layers.js';
import { type Block, type BlockStructure, findBlocks } from './find-blocks.js';
import { findTokenInputs } from './find-token-inputs.js';
import { foreignNodes } from './foreign-nodes.js';
import { mainInputs } from './main-inputs.js';
import type { Pool } from './pool-features.js';
import { type Recommendation, recommendLayer } from './recommend-layer.js';
import { recurrencesOverBatch } from './recurrences-over-batch.js';
import { listTokenInputs } from './token-inputs.js';
import { takenToken } from './taken-token.js';
import { type Shapes, type ValueLayouts, valueLayouts } from './value-layout.js';

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
  /** A sentence on why there are no layers. */
  readonly obstacle?: string;
}

export interface StructureOptions {
  /** The values between which and `to` lies an operator without a gradient; default: none is known to have any. */
  readonly untrainable?: (to: string) => ReadonlySet<string>;
  /** What pools the tokens of a text; default: what the model does at its end, else their mean. */
  readonly tokenPool?: Pool | undefined;
}

/**
 * The recommended layer, and where all data passes: ends of stages and blocks.
 * @param shapes - of every value, from a run on one example
 */
export function analyseStructure(
  model: Model,
  shapes: Shapes,
  { untrainable, tokenPool }: StructureOptions = {},
): ModelStructure {
  const { graph } = model;
  const mixing = recurrencesOverBatch(graph, shapes);
  const layouts = valueLayouts(graph, shapes);
  const { flow, best } = recommend(graph, shapes, layouts, mixing);
  if (!best) return { layers: [], obstacle: explainNoLayers(flow) };
  const blocks = findBlocks(flow, layouts, best.value);
  const parameters = countParameters(graph);
  const stopped = untrainable?.(best.value);
  const poolOf = defaultPools(flow, layouts, tokenPool ?? takenToken(model));
  const describe = (name: string, reason: string): FeatureLayer => {
    const shape = layouts.shape(name);
    const pool = poolOf(name);
    return {
      name,
      shape,
      kind: layouts.positions(name) === 1 ? 'vector' : shape.length === 3 ? 'tokens' : 'maps',
      pool,
      dim: pool === 'none' ? sizeOf(shape) : layouts.channels(name),
      recommended: name === best.value,
      reason,
      parametersAfter: parameters.total - parameters.before(name),
      trainableFromHere: name === best.value || stopped?.has(name) === false,
    };
  };
  const reasons = new Map<string, string>();
  for (const { name, reason } of candidates(blocks, flow, layouts)) reasons.set(name, reason);
  reasons.set(best.value, best.reason);
  const layers = [...reasons]
    .filter(([name]) => layouts.shape(name).length >= 2 && layouts.shape(name)[0] === 1)
    .sort(([a], [b]) => flow.order(a) - flow.order(b))
    .map(([name, reason]) => describe(name, reason));
  return { layers, blocks };
}

/**
 * Where an image is joined by other inputs (a box, a prompt), what it is alone comes before that; so does what the encoder
 * makes of a text that a decoder goes on with.
 */
function recommend(
  graph: Graph,
  shapes: Shapes,
  layouts: ValueLayouts,
  mixing: ReadonlySet<Node>,
): { readonly flow: DataFlow; readonly best: Recommendation | undefined } {
  const own = mainInputs(graph, shapes);
  const whole = withScores(traceData(graph, own, mixing));
  const best = recommendLayer(whole, layouts, mixing);
  const isImage = own.length === 1 && layouts.shape(own[0]!).length === 4;
  const tokens = isImage ? undefined : findTokenInputs(graph);
  const ofExample = tokens ? listTokenInputs(tokens).map(({ name }) => name) : own;
  const foreign = best && (isImage || tokens) ? foreignNodes(graph, ofExample) : new Set<Node>();
  if (!best || !foreign.has(whole.producer(best.value)!)) return { flow: whole, best };
  const joined = traceData(graph, own, new Set([...mixing, ...foreign]));
  // The image's own part ends where others join it.
  const entering = new Set(
    [...foreign].flatMap(({ inputs }) => inputs).filter((name) => joined.producer(name)),
  );
  const outputs = [...entering].map((name) => ({ name, docString: '', metadata: new Map() }));
  const flow = { ...joined, graph: { ...graph, outputs: [...graph.outputs, ...outputs] } };
  const found = recommendLayer(flow, layouts, mixing);
  // Words that do not know of each other are no features of a text.
  if (tokens)
    return found && afterAttention(flow)(found.value) ? { flow, best: found } : { flow: whole, best };
  const alone =
    found && !entering.has(found.value) ? found : beforeJoin(found ? [found.value] : [...entering], layouts);
  return alone ? { flow, best: alone } : { flow: whole, best };
}

/** The last of the values that are made of the image alone. */
function beforeJoin(entering: readonly string[], layouts: ValueLayouts): Recommendation | undefined {
  const value = entering.findLast((name) => layouts.shape(name)[0] === 1 && layouts.shape(name).length >= 2);
  return value === undefined ? undefined : { value, reason: 'last value made of the image alone' };
}

/** Ends of stages; ends of all blocks where those are transformer blocks or the last stage. */
function candidates(
  { stages }: BlockStructure,
  flow: DataFlow,
  layouts: ValueLayouts,
): { name: string; reason: string }[] {
  const found: { name: string; reason: string }[] = [];
  const spatial = stages.filter(({ end }) => end.positions > 1);
  const isTransformer = stages.some(({ blocks }) => blocks.some(({ hasAttention }) => hasAttention));
  for (const stage of stages) {
    const places = formatPlaces(stage.end.end, layouts);
    const isListed = ({ hasAttention }: Block): boolean =>
      isTransformer ? hasAttention : stage === spatial.at(-1);
    const listed = stage.blocks.filter(isListed);
    for (const block of stage.blocks) {
      const place = `block ${listed.indexOf(block) + 1} of ${listed.length}`;
      let reason: string | undefined;
      if (stage.end.positions === 1) reason = vectorReason(block);
      else if (block === stage.end) reason = `end of the stage of ${places}`;
      else if (block === stage.blocks[0] && isTransformer && !block.hasAttention && stage === spatial[0])
        reason = 'embedded input';
      else if (isListed(block)) reason = `${place} at ${places}`;
      if (reason) found.push({ name: block.end, reason });
    }
  }
  // Cells that take the two before them (NASNet) leave no value that all data passes: sizes alone must tell.
  return spatial.length >= 2 || isTransformer ? found : [...stageEndsBySize(stages, flow, layouts), ...found];
}

function vectorReason({ isWeighted, nodes }: Block): string {
  if (isWeighted) return 'vector between dense layers';
  return nodes.some(({ opType }) => opType === 'Gather') ? 'one token' : 'pooled vector';
}

function stageEndsBySize(
  stages: BlockStructure['stages'],
  flow: DataFlow,
  layouts: ValueLayouts,
): { name: string; reason: string }[] {
  const to = stages.at(-1)?.end.end;
  if (to === undefined) return [];
  const leading = ancestors(flow, [to]);
  const ends: { name: string; reason: string; positions: number; channels: number }[] = [];
  for (const node of flow.graph.nodes) {
    const name = flow.outputs(node)[0];
    if (name === undefined || !leading.has(name)) continue;
    const shape = layouts.shape(name);
    if (shape.length !== 4 || shape[0] !== 1) continue;
    const [positions, channels] = [layouts.positions(name), layouts.channels(name)];
    const last = ends.at(-1);
    if (positions <= 1 || (last && positions > last.positions)) continue;
    const end = { name, positions, channels, reason: `richest of ${formatPlaces(name, layouts)}` };
    if (!last || positions < last.positions) ends.push(end);
    else if (channels >= last.channels) ends[ends.length - 1] = end;
  }
  return ends;
}

function formatPlaces(value: string, layouts: ValueLayouts): string {
  const shape = layouts.shape(value);
  if (shape.length === 3) return `${layouts.positions(value)} tokens`;
  return (layouts.layout(value) === 'channelsFirst' ? shape.slice(2) : shape.slice(1, -1)).join('x');
}
