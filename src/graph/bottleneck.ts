/** Values that are wide only for a moment, inside a block: no place to read features from. */
import type { Node } from '../onnx/ir.js';
import { type DataFlow, isAnyMadeOfAnother } from './data-flow.js';
import { isDepthwise, linearLayer } from './linear-layer.js';
import type { ValueLayouts } from './value-layout.js';

/**
 * Whether the value lies inside a separable or inverted-residual block: behind a depthwise convolution whose 1x1
 * convolution is still to come, before a depthwise convolution that a narrower 1x1 convolution follows, before the linear
 * bottleneck of a fused block, or the concatenation that a narrower convolution gathers up.
 */
export function isInsideBlock(value: string, flow: DataFlow, layouts: ValueLayouts): boolean {
  const { channels } = layouts;
  const own = channels(value);
  const next = nextLayers(value, flow, layouts);
  if (next.length === 0) return false;
  const widthAfter = (node: Node): number => channels(node.outputs[0]!);
  const previous = previousLayers(value, flow, layouts);
  if (previous.length > 0 && previous.every((node) => isDepthwise(node, own))) {
    return next.every((node) => !isDepthwise(node, own) && isPointwise(node, flow, layouts));
  }
  // A fork (several layers after it) is where predictions start, not the inside of a block.
  const [only] = next.length === 1 ? next : [];
  if (only && isDepthwise(only, own)) {
    const projections = nextLayers(only.outputs[0]!, flow, layouts);
    return projections.length > 0 && projections.every((projection) => widthAfter(projection) < own);
  }
  if (only === undefined || widthAfter(only) >= own) return false;
  return gathersChain(value, only, flow, layouts) || isFusedExpansion();

  /** Convolved to twice the channels or more, and by a 1x1 convolution without activation to what is widened again. */
  function isFusedExpansion(): boolean {
    const isWidening = (node: Node): boolean =>
      widthAfter(node) >= 2 * channels(linearLayer(node, flow)!.data) &&
      linearLayer(node, flow)!.kind === 'convolution';
    const project = only!.outputs[0]!;
    return (
      previous.length > 0 &&
      previous.every(isWidening) &&
      isPointwise(only!, flow, layouts) &&
      2 * widthAfter(only!) <= own &&
      !isActivated(project, flow) &&
      nextLayers(project, flow, layouts).length > 0 &&
      nextLayers(project, flow, layouts).every(isWidening)
    );
  }
}

/** Whether more than an affine operator works on each number of the value before the next layer or sum. */
function isActivated(value: string, flow: DataFlow): boolean {
  const pending = [value];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    for (const node of flow.users(next)) {
      if (affine.has(node.opType) && flow.inputs(node).length === 1) pending.push(node.outputs[0]!);
      else if (worksPerChannel(node, flow)) return true;
    }
  }
  return false;
}

/**
 * A concatenation of successive steps that a 1x1 convolution takes at once (SPPF, C2f, ELAN); branches side by side
 * (fire modules, Inception) are a block's real output.
 */
function gathersChain(value: string, next: Node, flow: DataFlow, layouts: ValueLayouts): boolean {
  const node = flow.producer(value);
  if (node?.opType !== 'Concat' || !isPointwise(next, flow, layouts) || !next.inputs.includes(value))
    return false;
  return isAnyMadeOfAnother(flow, flow.inputs(node));
}

function isPointwise(node: Node, flow: DataFlow, layouts: ValueLayouts): boolean {
  const layer = linearLayer(node, flow);
  if (!layer) return false;
  if (layer.kind === 'dense') return true;
  const kernel = layouts.shape(layer.weights).slice(2);
  return kernel.every((size) => size === 1);
}

/** The first linear layers after the value, looking through what works on each channel alone. */
function nextLayers(value: string, flow: DataFlow, layouts: ValueLayouts): Node[] {
  const users = (name: string): readonly Node[] => flow.users(name);
  return layersFrom(value, flow, users, (node, name) =>
    isOfShape(name, node.outputs[0]!, layouts) ? flow.outputs(node) : [],
  );
}

/** The last linear layers before the value, through the same operators; a gate's own layers are left out. */
function previousLayers(value: string, flow: DataFlow, layouts: ValueLayouts): Node[] {
  const producer = (name: string): readonly Node[] => [flow.producer(name) ?? []].flat();
  return layersFrom(value, flow, producer, (node, name) =>
    flow.inputs(node).filter((input) => isOfShape(input, name, layouts)),
  );
}

/**
 * The linear layers that a walk from the value comes to first.
 * @param beside - the nodes on the walk's side of a value
 * @param beyond - the values at the far side of a node that works on each channel alone
 */
function layersFrom(
  value: string,
  flow: DataFlow,
  beside: (name: string) => readonly Node[],
  beyond: (node: Node, name: string) => readonly string[],
): Node[] {
  const found = new Set<Node>();
  const visited = new Set<string>();
  const pending = [value];
  for (let name = pending.pop(); name !== undefined && visited.size < 64; name = pending.pop()) {
    if (visited.has(name)) continue;
    visited.add(name);
    for (const node of beside(name)) {
      if (linearLayer(node, flow)) found.add(node);
      else if (worksPerChannel(node, flow)) for (const next of beyond(node, name)) pending.push(next);
    }
  }
  return [...found];
}

/** A gate (squeeze and excitation) has another shape than the map that it scales. */
function isOfShape(a: string, b: string, layouts: ValueLayouts): boolean {
  return layouts.shape(a).join() === layouts.shape(b).join();
}

function worksPerChannel(node: Node, flow: DataFlow): boolean {
  if (node.opType === 'Add' || node.opType === 'Sub') return flow.inputs(node).length === 1;
  return perChannel.has(node.opType);
}

/** Values pass through them as they are, but for the rounding of their type. */
const valueKeeping = ['Identity', 'Dropout', 'Cast', 'QuantizeLinear', 'DequantizeLinear'] as const;

const affine: ReadonlySet<string> = new Set([
  'BatchNormalization',
  'Mul',
  'Add',
  'Sub',
  'Div',
  ...valueKeeping,
]);

const perChannel: ReadonlySet<string> = new Set([
  'BatchNormalization',
  'InstanceNormalization',
  'Relu',
  'PRelu',
  'LeakyRelu',
  'Clip',
  'Sigmoid',
  'HardSigmoid',
  'HardSwish',
  'Mul',
  'Min',
  'Max',
  'Tanh',
  'Softplus',
  'Mish',
  'Gelu',
  'Elu',
  'Selu',
  'Div',
  ...valueKeeping,
]);
