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
import { attentionOps, isAttention, linearLayer } from './linear-layer.js';
import { dominatorTree } from './dominator-tree.js';
import type { ValueLayouts } from './value-layout.js';

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
  /** Whether it only moves data: padding, cutting. */
  readonly movesOnly: boolean;
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

export function findBlocks(flow: DataFlow, layouts: ValueLayouts, to: string): BlockStructure {
  const rankOf = (value: string): number => layouts.shape(value).length;
  // More axes than the data began with are a shuffle or a partition half-way.
  const rank = Math.max(4, ...flow.sources.map(rankOf));
  const ends = dominatorTree(flow)
    .chain(to)
    .filter((value) => value === to || (!flow.sources.includes(value) && rankOf(value) <= rank));
  const owned = ownNodes(flow, ends);
  const segments = ends.map((end, i): Block => {
    const { nodes, parameters } = owned.parts[i]!;
    return {
      end,
      nodes,
      parameters,
      positions: layouts.positions(end),
      channels: layouts.channels(end),
      isWeighted: nodes.some((node) => isWeighted(node, flow)),
      movesOnly: nodes.every((node) => flow.inputs(node).length === 0 || moving.has(node.opType)),
      isResidual: nodes.some((node) => flow.inputs(node).length > 1),
      hasAttention: nodes.some((node) => isAttention(node, flow)),
    };
  });
  const isInside = (block: Block, before: Block | undefined, after: Block | undefined): boolean =>
    block.end !== to && (isInsideBlock(block.end, flow, layouts) || isSqueezed(block, before, after));
  const blocks = joinTransformerParts(joinRest(segments, isInside), layouts);
  return { stages: groupStages(blocks), rest: owned.rest };
}

/** The narrow middle of a block without a way around, such as a fire module. */
function isSqueezed(block: Block, before: Block | undefined, after: Block | undefined): boolean {
  return (
    before !== undefined &&
    after !== undefined &&
    before.positions === block.positions &&
    after.positions === block.positions &&
    block.channels * 2 <= Math.min(before.channels, after.channels)
  );
}

const recurrent: ReadonlySet<string> = new Set(['LSTM', 'GRU', 'RNN', 'EmbedLayerNormalization']);
const moving: ReadonlySet<string> = new Set(['Pad', 'Slice', 'Identity', 'Cast', 'Split']);

function isWeighted(node: Node, flow: DataFlow): boolean {
  if (node.opType === 'Gather') return flow.inputs(node).length > 0 && flow.isConstant(node.inputs[0]!);
  return recurrent.has(node.opType) || attentionOps.has(node.opType) || linearLayer(node, flow) !== undefined;
}

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
      for (const read of valuesRead(node)) pending.push(read);
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
    movesOnly: a.movesOnly && b.movesOnly,
    isResidual: a.isResidual || b.isResidual,
    hasAttention: a.hasAttention || b.hasAttention,
  };
}

/**
 * An end inside a block is none; norms and activations go with the layer before them; what comes before the first
 * layer of its size (input scaling, a pooling that halves the map) goes with that layer.
 */
function joinRest(
  segments: readonly Block[],
  isInside: (block: Block, before: Block | undefined, after: Block | undefined) => boolean,
): Block[] {
  const joined: Block[] = [];
  for (const segment of segments) {
    const last = joined.at(-1);
    const isTrailing =
      !segment.isWeighted &&
      !segment.movesOnly &&
      last?.positions === segment.positions &&
      (last.isWeighted || segment.positions === 1);
    if (isTrailing) joined[joined.length - 1] = join(last, segment);
    else joined.push(segment);
  }
  return joinForward(joined, (block, before, after) => {
    if (!after) return false;
    return isInside(block, before, after) || (!block.isWeighted && after.positions > 1);
  });
}

/** Joins each block that `isPart` with the one after it. */
function joinForward(
  blocks: readonly Block[],
  isPart: (block: Block, before: Block | undefined, after: Block | undefined) => boolean,
): Block[] {
  const joined: Block[] = [];
  let open: Block | undefined;
  for (const [i, block] of blocks.entries()) {
    const whole = open ? join(open, block) : block;
    if (isPart(block, blocks[i - 1], blocks[i + 1])) open = whole;
    else {
      open = undefined;
      joined.push(whole);
    }
  }
  return open ? [...joined, open] : joined;
}

/** Attention and the feed-forward part after it are one block; so is all that embeds before the first attention. */
function joinTransformerParts(blocks: readonly Block[], layouts: ValueLayouts): Block[] {
  const joined: Block[] = [];
  for (const block of blocks) {
    const last = joined.at(-1);
    const isSecondHalf =
      last?.hasAttention === true &&
      !block.hasAttention &&
      block.isResidual &&
      block.positions === last.positions &&
      block.channels === last.channels &&
      layouts.layout(block.end) === 'channelsLast';
    if (isSecondHalf) joined[joined.length - 1] = join(last, block);
    else joined.push(block);
  }
  if (!joined.some(({ hasAttention }) => hasAttention)) return joined;
  return joinForward(joined, (block, _before, after) => {
    const isEmbedding = (other: Block): boolean => !other.hasAttention && isSameSize(other, block);
    return after !== undefined && isEmbedding(block) && isEmbedding(after) && block.positions > 1;
  });
}

/** A class token more or less is no change of size. */
function isSameSize(a: Block, b: Block): boolean {
  if (a.positions === b.positions) return true;
  const ratio = a.positions / b.positions;
  return a.positions > 1 && b.positions > 1 && ratio > 0.7 && ratio < 1.4;
}

function groupStages(blocks: readonly Block[]): Stage[] {
  const groups: Block[][] = [];
  for (const block of blocks) {
    const group = groups.at(-1);
    if (group && isSameSize(block, group.at(-1)!)) group.push(block);
    else groups.push([block]);
  }
  const stages: Stage[] = [];
  let carried: Block[] = [];
  for (const [i, group] of groups.entries()) {
    // What follows the richest maps at their own size (a transition that narrows them) begins the next stage.
    const blocks = carried.length > 0 ? [[...carried, group[0]!].reduce(join), ...group.slice(1)] : group;
    const widest = Math.max(...blocks.map(({ channels }) => channels));
    const isFinal = i === groups.length - 1 || blocks[0]!.positions === 1;
    const cut = isFinal ? blocks.length : blocks.findLastIndex(({ channels }) => channels === widest) + 1;
    carried = blocks.slice(cut);
    stages.push({ blocks: blocks.slice(0, cut), end: blocks[cut - 1]! });
  }
  return stages;
}
