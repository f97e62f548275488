/** Where to read features from in a network without classifier: a detector, a segmenter, a bare feature extractor. */
import { attentionHeads } from './attention-heads.js';
import { isInsideBlock } from './bottleneck.js';
import { ancestors, type DataFlow, descendants } from './data-flow.js';
import { dominatorTree } from './dominator-tree.js';
import type { Node } from '../onnx/ir.js';
import { linearLayer } from './linear-layer.js';
import { rearranged } from './rearranged.js';
import { channelCount, type Layout, positionCount, type Shapes } from './value-layout.js';

interface Place {
  readonly value: string;
  readonly channels: number;
  readonly positions: number;
  /** Outputs of the model that depend on it. */
  readonly reach: number;
}

/** What predictions go through: their places and their probabilities. */
const shaping: ReadonlySet<string> = new Set([
  'Transpose',
  'Reshape',
  'Identity',
  'Cast',
  'Slice',
  'Split',
  'Squeeze',
  'Unsqueeze',
  'Add',
  'Mul',
  'Sigmoid',
  'Softmax',
  'QuantizeLinear',
  'DequantizeLinear',
]);

const widest = (list: readonly Place[]): number => Math.max(0, ...list.map((place) => place.channels));

/**
 * The end of the backbone: the richest maps (most channels) before anything is enlarged again or predicted; among
 * equals the ones that all outputs depend on, then those of the smallest size that were reached without squeezing the
 * data through fewer channels (which the extra scales of an SSD do), then the last.
 */
export function deepestStage(
  flow: DataFlow,
  shapes: Shapes,
  layouts: ReadonlyMap<string, Layout>,
): string | undefined {
  const { graph } = flow;
  const layers = graph.nodes.filter((node) => linearLayer(node, flow));
  // What is enlarged before any layer is the image itself, as torchvision's detectors begin. A pyramid resizes maps to the
  // size of shallower ones, also where that happens to be their own.
  const afterLayer = descendants(
    flow,
    layers.flatMap((node) => flow.outputs(node)),
  );
  const isEnlarging = (node: Node): boolean => {
    if (!['Resize', 'Upsample', 'ConvTranspose', 'DepthToSpace', 'GridSample'].includes(node.opType))
      return false;
    if (!flow.inputs(node).some((input) => afterLayer.has(input))) return false;
    const growth = positions(node.outputs[0]!) - positions(flow.inputs(node)[0]!);
    return growth > 0 || (growth === 0 && ['Resize', 'Upsample'].includes(node.opType));
  };
  const enlarging = new Set(graph.nodes.filter(isEnlarging));
  const enlarged = descendants(
    flow,
    [...enlarging].flatMap(({ outputs }) => outputs),
  );
  const outputs = graph.outputs.map(({ name }) => name).filter((name) => flow.carries(name));
  const leading = outputs.map((output) => ancestors(flow, [output]));
  const beforeLayer = ancestors(
    flow,
    layers.flatMap((node) => flow.inputs(node)),
  );
  const tree = dominatorTree(flow);
  const heads = attentionHeads(flow, shapes, layouts);
  const merged = rearranged(flow, shapes, layouts);
  const order = new Map(graph.nodes.flatMap(({ outputs }, i) => outputs.map((name) => [name, i] as const)));
  const places: Place[] = [];
  for (const node of graph.nodes) {
    for (const value of flow.outputs(node)) {
      if (heads.has(value) || merged.has(value) || (shapes.get(value)?.length ?? 0) < 4) continue;
      const reach = leading.filter((set) => set.has(value)).length;
      if (shapes.get(value)![0] !== 1 || positions(value) < 2 || reach === 0) continue;
      places.push({ value, channels: channels(value), positions: positions(value), reach });
    }
  }
  const predicted = predictions(flow);
  const joined = joins(flow);
  const usual = endOf(places.filter(({ value }) => !enlarged.has(value)));
  if (!usual) return undefined;
  // Of nested U-nets the first stage enlarges already what the next ones reduce, and branches of several sizes exchange their
  // maps. A pyramid ends in no more channels than it began with, but for where it joins maps.
  const afterEnlarged = descendants(
    flow,
    layers
      .filter((node) => flow.inputs(node).some((input) => enlarged.has(input)))
      .flatMap((node) => flow.outputs(node)),
  );
  const deeper = places.filter(
    (place) =>
      afterEnlarged.has(place.value) &&
      (place.channels >= 2 * usual.channels || place.positions * 4 <= usual.positions) &&
      place.channels >= usual.channels &&
      place.positions <= usual.positions &&
      !joined.has(place.value),
  );
  return (endOf(deeper) ?? usual).value;

  function endOf(all: readonly Place[]): Place | undefined {
    const maps = new Set(all.map(({ value }) => value));
    const bypassed = tree.bypassed(maps);
    const isEnlarged = all.some(({ value }) => enlarged.has(value));
    const isHidden = (value: string): boolean =>
      (bypassed.has(value) && (!isEnlarged || isBypassed(value, maps))) ||
      isInsideBlock(value, flow, shapes, layouts);
    // A prediction has no layer after it; the last maps of a bare feature extractor have none either, but an activation or a sum.
    const inner = richest(
      all.filter(({ value }) => beforeLayer.has(value) || !predicted.has(value)),
      isHidden,
    );
    const whole = richest(all, isHidden);
    const rich = widest(inner) * 2 >= widest(whole) ? inner : whole;
    const reach = Math.max(0, ...rich.map((place) => place.reach));
    let best: Place | undefined;
    for (const place of rich.filter((candidate) => candidate.reach === reach)) {
      if (!best || (place.positions <= best.positions && !isSqueezed(best, place))) best = place;
    }
    return best;
  }

  /** Of the places that no block hides, those with the most channels. */
  function richest(list: readonly Place[], isHidden: (value: string) => boolean): readonly Place[] {
    const widths = [...new Set(list.map((place) => place.channels))].sort((a, b) => b - a);
    for (const width of widths) {
      const found = list.filter(({ channels, value }) => channels === width && !isHidden(value));
      if (found.length > 0) return found;
    }
    return list.filter((place) => place.channels === widths[0]);
  }

  /**
   * Whether maps depend on the value and on others beside it, before anything is enlarged: it is the inside of a block. Such
   * maps mostly come soon, so the nodes after the value are gone through until the first of them.
   */
  function isBypassed(value: string, maps: ReadonlySet<string>): boolean {
    const after = new Set([value]);
    const enlargedAfter = new Set<string>();
    for (let i = order.get(value)! + 1; i < graph.nodes.length; i++) {
      const node = graph.nodes[i]!;
      const inputs = flow.inputs(node);
      if (!inputs.some((input) => after.has(input))) continue;
      const isEnlarged = enlarging.has(node) || inputs.some((input) => enlargedAfter.has(input));
      for (const output of flow.outputs(node)) {
        after.add(output);
        if (isEnlarged) enlargedAfter.add(output);
        else if (maps.has(output) && !tree.dominates(value, output)) return true;
      }
    }
    return false;
  }

  function positions(value: string): number {
    const shape = shapes.get(value);
    return shape ? positionCount(shape, layouts.get(value) ?? 'vector') : 0;
  }

  function channels(value: string): number {
    const shape = shapes.get(value);
    return shape ? channelCount(shape, layouts.get(value) ?? 'vector') : 0;
  }

  /** Whether all data on the way from `from` to `to` passes through fewer than half the channels. */
  function isSqueezed(from: Place, to: Place): boolean {
    // Shuffling channels goes through another number of axes.
    const rank = shapes.get(from.value)!.length;
    return tree
      .chain(to.value, from.value)
      .some((value) => shapes.get(value)?.length === rank && channels(value) * 2 < from.channels);
  }
}

/** Values that a layer makes, and those that are made of such by nothing but what makes places and probabilities of numbers. */
function predictions(flow: DataFlow): ReadonlySet<string> {
  return carriedOn(flow, (node, [input, ...others], found) =>
    linearLayer(node, flow)
      ? true
      : input !== undefined && others.length === 0 && shaping.has(node.opType) && found.has(input),
  );
}

/** Values whose channels are those of several values side by side. */
function joins(flow: DataFlow): ReadonlySet<string> {
  return carriedOn(flow, (node, [input, ...others], found) => {
    if (linearLayer(node, flow)) return false;
    return node.opType === 'Concat' || (input !== undefined && others.length === 0 && found.has(input));
  });
}

/** The outputs of the nodes that are so, of which some are because their input is; a chain may be of many thousand nodes. */
function carriedOn(
  flow: DataFlow,
  isSo: (node: Node, inputs: readonly string[], found: ReadonlySet<string>) => boolean,
): ReadonlySet<string> {
  const found = new Set<string>();
  for (const node of flow.graph.nodes) {
    if (isSo(node, flow.inputs(node), found)) for (const output of flow.outputs(node)) found.add(output);
  }
  return found;
}
