/** Which of the feature maps of a network without classifier says most of the image. */
import type { Node } from '../onnx/ir.js';
import { isInsideBlock } from './bottleneck.js';
import { ancestors, propagate, type DataFlow, descendants } from './data-flow.js';
import { dominatorTree } from './dominator-tree.js';
import type { FeatureMap } from './feature-maps.js';
import { linearLayer } from './linear-layer.js';
import type { ValueLayouts } from './value-layout.js';

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

/**
 * Chooses among some maps: those of the most channels that are neither predictions nor the inside of a block; among
 * equals the ones that all outputs depend on, then those of the smallest size that were reached without squeezing the
 * data through fewer channels (which the extra scales of an SSD do), then the last.
 * @param enlarging - nodes that enlarge maps
 */
export function mapChooser(
  flow: DataFlow,
  layouts: ValueLayouts,
  enlarging: ReadonlySet<Node>,
): (maps: readonly FeatureMap[]) => FeatureMap | undefined {
  const { nodes } = flow.graph;
  const tree = dominatorTree(flow);
  const enlarged = descendants(
    flow,
    [...enlarging].flatMap(({ outputs }) => outputs),
  );
  const beforeLayer = ancestors(
    flow,
    nodes.filter((node) => linearLayer(node, flow)).flatMap((node) => flow.inputs(node)),
  );
  const predicted = predictions(flow);
  // A prediction has no layer after it; the last maps of a bare feature extractor have none either, but an activation or a sum.
  const isInner = ({ value }: FeatureMap): boolean => beforeLayer.has(value) || !predicted.has(value);

  return (maps) => {
    const values = new Set(maps.map(({ value }) => value));
    const bypassed = tree.bypassed(values);
    const isEnlarged = maps.some(({ value }) => enlarged.has(value));
    const isHidden = ({ value }: FeatureMap): boolean =>
      (bypassed.has(value) && (!isEnlarged || isBypassed(value, values))) ||
      isInsideBlock(value, flow, layouts);
    const inner = richest(maps.filter(isInner), isHidden);
    const whole = richest(maps, isHidden);
    const rich = widthOf(inner) * 2 >= widthOf(whole) ? inner : whole;
    const reach = rich.reduce((most, map) => Math.max(most, map.reach), 0);
    let best: FeatureMap | undefined;
    for (const map of rich.filter((candidate) => candidate.reach === reach)) {
      if (!best || (map.positions <= best.positions && !isSqueezed(best, map))) best = map;
    }
    return best;
  };

  /**
   * Whether maps depend on the value and on others beside it, before anything is enlarged: it is the inside of a block. Such
   * maps mostly come soon, so the nodes after the value are gone through until the first of them.
   */
  function isBypassed(value: string, maps: ReadonlySet<string>): boolean {
    const after = new Set([value]);
    const enlargedAfter = new Set<string>();
    for (let i = flow.order(value) + 1; i < nodes.length; i++) {
      const node = nodes[i]!;
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

  /** Whether all data on the way from `from` to `to` passes through fewer than half the channels. */
  function isSqueezed(from: FeatureMap, to: FeatureMap): boolean {
    // Shuffling channels goes through another number of axes.
    const rank = layouts.shape(from.value).length;
    return tree
      .chain(to.value, from.value)
      .some((value) => layouts.shape(value).length === rank && layouts.channels(value) * 2 < from.channels);
  }
}

/** Of the maps that no block hides, those with the most channels; of all maps where each is hidden. */
function richest(maps: readonly FeatureMap[], isHidden: (map: FeatureMap) => boolean): readonly FeatureMap[] {
  const widths = [...new Set(maps.map(({ channels }) => channels))].sort((a, b) => b - a);
  for (const width of widths) {
    const shown = maps.filter((map) => map.channels === width && !isHidden(map));
    if (shown.length > 0) return shown;
  }
  return maps.filter(({ channels }) => channels === widths[0]);
}

/** Of maps that have as many channels. */
function widthOf([first]: readonly FeatureMap[]): number {
  return first?.channels ?? 0;
}

/** Values that a layer makes, and those that are made of such by nothing but what makes places and probabilities of numbers. */
function predictions(flow: DataFlow): ReadonlySet<string> {
  return propagate(flow, (node, [input, ...others], found) =>
    linearLayer(node, flow)
      ? true
      : input !== undefined && others.length === 0 && shaping.has(node.opType) && found.has(input),
  );
}
