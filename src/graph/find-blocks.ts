/**
 * The blocks of a network: what lies between two successive values through which all data passes, joined where one is
 * only the rest of the other (an activation, the feed-forward half of a transformer block).
 */
import { indexGraph, valuesRead } from '../onnx/graph-index.js';
import type { Node } from '../onnx/ir.js';
import { sizeOf } from '../tensor/shape.js';
import { isInsideBlock } from './bottleneck.js';
import { parametersInside } from './count-parameters.js';
import type { DataFlow } from './data-flow.js';
import { isAttention, linearLayer } from './linear-layer.js';
import { narrowValues } from './narrow-values.js';
import { channelCount, type Layout, positionCount, type Shapes } from './value-layout.js';

export interface Block {
  /** The value that leaves the block. */
  readonly end: string;
  readonly nodes: readonly Node[];
  /** Numbers in the weights that this block is the first to use. */
  readonly parameters: number;
  readonly positions: number;
  readonly channels: number;
  /** Whether it has weights that multiply data. */
  readonly isWeighted: boolean;
  /** Whether it has a way around. */
  readonly isResidual: boolean;
  readonly hasAttention: boolean;
}

/** Blocks between which the number of positions stays the same, but for a class token. */
export interface Stage {
  readonly blocks: readonly Block[];
  /** The last of the richest block ends. */
  readonly end: Block;
}

export interface BlockStructure {
  readonly stages: readonly Stage[];
  /** What the layer `to` does not need. */
  readonly rest: { readonly nodes: readonly Node[]; readonly parameters: number };
}

export function findBlocks(
  flow: DataFlow,
  shapes: Shapes,
  layouts: ReadonlyMap<string, Layout>,
  to: string,
): BlockStructure {
  const layoutOf = (value: string): Layout => layouts.get(value) ?? 'vector';
  const rankOf = (value: string): number => shapes.get(value)?.length ?? 0;
  // More axes than the data began with are a shuffle or a partition half-way.
  const rank = Math.max(4, ...flow.sources.map(rankOf));
  const ends = narrowValues(flow, to).filter(
    (value) => value === to || (!flow.sources.includes(value) && rankOf(value) <= rank),
  );
  const owned = ownNodes(flow, ends);
  const segments = ends.map((end, i): Block => {
    const { nodes, parameters } = owned.parts[i]!;
    const shape = shapes.get(end) ?? [];
    return {
      end,
      nodes,
      parameters,
      positions: positionCount(shape, layoutOf(end)),
      channels: shape.length === 0 ? 0 : channelCount(shape, layoutOf(end)),
      isWeighted: nodes.some((node) => recurrent.has(node.opType) || linearLayer(node, flow) !== undefined),
      isResidual: nodes.some((node) => flow.inputs(node).length > 1),
      hasAttention: nodes.some((node) => isAttention(node, flow)),
    };
  });
  const isInside = (block: Block): boolean =>
    block.end !== to && isInsideBlock(block.end, flow, shapes, layouts);
  const blocks = joinTransformerHalves(joinRest(segments, isInside), layoutOf);
  return { stages: groupStages(blocks), rest: owned.rest };
}

const recurrent: ReadonlySet<string> = new Set([
  'LSTM',
  'GRU',
  'RNN',
  'Attention',
  'QAttention',
  'Gather',
  'EmbedLayerNormalization',
]);

/** Each node goes to the first end that needs it, each weight to the first node that uses it. */
function ownNodes(flow: DataFlow, ends: readonly string[]) {
  const { graph } = flow;
  const { producer } = indexGraph(graph);
  const partOf = new Map<Node, number>();
  const seen = new Set<string>();
  for (const [part, end] of ends.entries()) {
    const pending = [end];
    for (let value = pending.pop(); value !== undefined; value = pending.pop()) {
      if (seen.has(value)) continue;
      seen.add(value);
      const node = producer(value);
      if (!node || partOf.has(node)) continue;
      partOf.set(node, part);
      pending.push(...valuesRead(node));
    }
  }
  const counted = new Set<string>();
  const empty = (): { nodes: Node[]; parameters: number } => ({ nodes: [], parameters: 0 });
  const parts = ends.map(empty);
  const rest = empty();
  for (const node of graph.nodes) {
    const part = parts[partOf.get(node) ?? -1] ?? rest;
    part.nodes.push(node);
    part.parameters += parametersInside(node);
    for (const input of valuesRead(node)) {
      const weights = counted.has(input) ? undefined : graph.initializers.get(input);
      if (!weights) continue;
      counted.add(input);
      part.parameters += sizeOf(weights.dims);
    }
  }
  return { parts, rest };
}

function join(a: Block, b: Block): Block {
  return {
    end: b.end,
    nodes: [...a.nodes, ...b.nodes],
    parameters: a.parameters + b.parameters,
    positions: b.positions,
    channels: b.channels,
    isWeighted: a.isWeighted || b.isWeighted,
    isResidual: a.isResidual || b.isResidual,
    hasAttention: a.hasAttention || b.hasAttention,
  };
}

/**
 * An end inside a block is none; norms and activations go with the layer before them; what comes before the first
 * layer of its size (input scaling, a pooling that halves the map) goes with that layer.
 */
function joinRest(segments: readonly Block[], isInside: (block: Block) => boolean): Block[] {
  const joined: Block[] = [];
  let open: Block | undefined;
  for (const [i, segment] of segments.entries()) {
    const last = joined.at(-1);
    const isTrailing = !segment.isWeighted && !open && last && last.positions === segment.positions;
    if (isTrailing) {
      joined[joined.length - 1] = join(last, segment);
      continue;
    }
    const current: Block = open ? join(open, segment) : segment;
    const next = segments[i + 1];
    const leads = !current.isWeighted && next !== undefined && next.positions > 1;
    if (next && (isInside(segment) || leads)) open = current;
    else {
      open = undefined;
      joined.push(current);
    }
  }
  return joined;
}

/** Attention and the feed-forward part after it are one block. */
function joinTransformerHalves(blocks: readonly Block[], layoutOf: (value: string) => Layout): Block[] {
  const joined: Block[] = [];
  for (const block of blocks) {
    const last = joined.at(-1);
    const isSecondHalf =
      last?.hasAttention === true &&
      !block.hasAttention &&
      block.isResidual &&
      block.positions === last.positions &&
      block.channels === last.channels &&
      layoutOf(block.end) === 'channelsLast';
    if (isSecondHalf) joined[joined.length - 1] = join(last, block);
    else joined.push(block);
  }
  return joined;
}

function groupStages(blocks: readonly Block[]): Stage[] {
  const groups: Block[][] = [];
  for (const block of blocks) {
    const group = groups.at(-1);
    const before = group?.at(-1)?.positions ?? 0;
    const isSame =
      block.positions === before ||
      (block.positions > 1 && before > 1 && block.positions > before * 0.7 && block.positions < before * 1.4);
    if (group && isSame) group.push(block);
    else groups.push([block]);
  }
  const stages: Stage[] = [];
  let carried: Block[] = [];
  for (const [i, group] of groups.entries()) {
    const all = [...carried, ...group];
    const widest = Math.max(...group.map(({ channels }) => channels));
    const isFinal = i === groups.length - 1;
    const end = isFinal
      ? all.at(-1)!
      : all.findLast((block) => block.channels === widest && group.includes(block))!;
    // What follows the richest maps at their own size (a transition that narrows them) prepares the next stage.
    const cut = all.indexOf(end) + 1;
    carried = group[0]!.positions > 1 ? all.slice(cut) : [];
    stages.push({ blocks: carried.length > 0 ? all.slice(0, cut) : all, end });
  }
  return stages;
}
