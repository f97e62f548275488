/** Where to read features from in a network without classifier: a detector, a segmenter, a bare feature extractor. */
import type { Node } from '../onnx/ir.js';
import { mapChooser } from './choose-map.js';
import { propagate, type DataFlow, descendants } from './data-flow.js';
import { type FeatureMap, featureMaps } from './feature-maps.js';
import { linearLayer } from './linear-layer.js';
import type { ValueLayouts } from './value-layout.js';

const resizing: ReadonlySet<string> = new Set(['Resize', 'Upsample']);
const growing: ReadonlySet<string> = new Set([...resizing, 'ConvTranspose', 'DepthToSpace', 'GridSample']);

/** The end of the backbone: the best maps (`mapChooser`) before anything is enlarged again or predicted. */
export function deepestStage(flow: DataFlow, layouts: ValueLayouts): string | undefined {
  const layers = flow.graph.nodes.filter((node) => linearLayer(node, flow));
  const enlarging = enlargingNodes(flow, layouts, layers);
  const enlarged = descendants(
    flow,
    [...enlarging].flatMap(({ outputs }) => outputs),
  );
  const maps = featureMaps(flow, layouts);
  const choose = mapChooser(flow, layouts, enlarging);
  const usual = choose(maps.filter(({ value }) => !enlarged.has(value)));
  if (!usual) return undefined;
  const relearned = descendants(
    flow,
    layers
      .filter((node) => flow.inputs(node).some((input) => enlarged.has(input)))
      .flatMap((node) => flow.outputs(node)),
  );
  const joined = joins(flow);
  const deeper = maps.filter(
    (map) => relearned.has(map.value) && isDeeper(map, usual) && !joined.has(map.value),
  );
  return (choose(deeper) ?? usual).value;
}

/**
 * The nodes that make maps larger. What is enlarged before any layer is the image itself, as torchvision's detectors begin. A
 * pyramid resizes maps to the size of shallower ones, also where that happens to be their own.
 */
function enlargingNodes(flow: DataFlow, layouts: ValueLayouts, layers: readonly Node[]): ReadonlySet<Node> {
  const afterLayer = descendants(
    flow,
    layers.flatMap((node) => flow.outputs(node)),
  );
  const isEnlarging = (node: Node): boolean => {
    if (!growing.has(node.opType)) return false;
    const inputs = flow.inputs(node);
    if (!inputs.some((input) => afterLayer.has(input))) return false;
    const growth = layouts.positions(node.outputs[0]!) - layouts.positions(inputs[0]!);
    return growth > 0 || (growth === 0 && resizing.has(node.opType));
  };
  return new Set(flow.graph.nodes.filter(isEnlarging));
}

/**
 * Whether maps that follow enlarged ones are a backbone's all the same: of nested U-nets the first stage enlarges already
 * what the next ones reduce, and branches of several sizes exchange their maps. A pyramid ends in no more channels than it
 * began with, but for where it joins maps.
 */
function isDeeper(map: FeatureMap, usual: FeatureMap): boolean {
  return (
    (map.channels >= 2 * usual.channels || map.positions * 4 <= usual.positions) &&
    map.channels >= usual.channels &&
    map.positions <= usual.positions
  );
}

/** Values whose channels are those of several values side by side. */
function joins(flow: DataFlow): ReadonlySet<string> {
  return propagate(flow, (node, [input, ...others], found) => {
    if (linearLayer(node, flow)) return false;
    return node.opType === 'Concat' || (input !== undefined && others.length === 0 && found.has(input));
  });
}
