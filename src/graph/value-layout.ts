/**
 * Where the channels of a value are: `vector` [N, C], `channelsFirst` [N, C, …positions], `channelsLast`
 * [N, …positions, C]. The file does not say; it follows from the operators that make and take the value.
 */
import { intAttribute, intsAttribute } from '../onnx/attributes.js';
import { indexGraph } from '../onnx/graph-index.js';
import type { Graph, Node } from '../onnx/ir.js';
import { positiveAxis, sizeOf } from '../tensor/shape.js';

export type Layout = 'vector' | 'channelsFirst' | 'channelsLast';
export type Shapes = ReadonlyMap<string, readonly number[]>;

/** What the axes of a graph's values mean. */
export interface ValueLayouts {
  /** Of one example, batch first; [] where it is not known. */
  shape(value: string): readonly number[];
  /** `vector` where the shape is not known. */
  layout(value: string): Layout;
  /** Numbers at one position; 0 where the value has no axes. */
  channels(value: string): number;
  /** Places of a map, or tokens; 1 for a vector. */
  positions(value: string): number;
}

const first: ReadonlySet<string> = new Set([
  'Conv',
  'ConvTranspose',
  'ConvInteger',
  'QLinearConv',
  'FusedConv',
  'DeformConv',
  'MaxPool',
  'AveragePool',
  'LpPool',
  'GlobalAveragePool',
  'GlobalMaxPool',
  'GlobalLpPool',
  'QLinearAveragePool',
  'QLinearGlobalAveragePool',
  'BatchNormalization',
  'InstanceNormalization',
  'GroupNormalization',
  'LRN',
  'DepthToSpace',
  'SpaceToDepth',
  'RoiAlign',
  'GridSample',
]);

const last: ReadonlySet<string> = new Set([
  'Attention',
  'QAttention',
  'MultiHeadAttention',
  'GroupQueryAttention',
  'SkipLayerNormalization',
  'SkipSimplifiedLayerNormalization',
  'EmbedLayerNormalization',
  'SimplifiedLayerNormalization',
  'RMSNormalization',
  'BiasGelu',
  'FusedMatMul',
  'MatMulNBits',
  'MatMulInteger',
  'MatMulIntegerToFloat',
  'DynamicQuantizeMatMul',
  'NhwcConv',
  'NhwcMaxPool',
]);

const moving: ReadonlySet<string> = new Set(['Reshape', 'Flatten', 'Squeeze', 'Unsqueeze']);

export function valueLayouts(graph: Graph, shapes: Shapes): ValueLayouts {
  const layouts = findLayouts(graph, shapes);
  const shape = (value: string): readonly number[] => shapes.get(value) ?? [];
  const layout = (value: string): Layout => layouts.get(value) ?? 'vector';
  return {
    shape,
    layout,
    channels: (value) => (layout(value) === 'channelsFirst' ? shape(value)[1]! : (shape(value).at(-1) ?? 0)),
    positions(value) {
      if (layout(value) === 'vector') return 1;
      return sizeOf(layout(value) === 'channelsFirst' ? shape(value).slice(2) : shape(value).slice(1, -1));
    },
  };
}

/** The layout of every value of `shapes`. Where nothing tells, 3 axes are tokens [N, T, C], and others maps [N, C, …]. */
function findLayouts(graph: Graph, shapes: Shapes): ReadonlyMap<string, Layout> {
  const layouts = new Map<string, Layout>();
  const rankOf = (value: string): number => shapes.get(value)?.length ?? -1;
  const { producer, users } = indexGraph(graph);
  const isConstant = (value: string): boolean =>
    graph.initializers.has(value) || producer(value)?.opType === 'Constant';
  const learn = (value: string, layout: Layout | undefined): void => {
    if (layout !== undefined && rankOf(value) > 2 && !layouts.has(value)) layouts.set(value, layout);
  };

  for (const node of graph.nodes) {
    for (const output of node.outputs) learn(output, madeBy(node, output));
  }
  // What no operator before a value tells, one after it may: the shuffled channels that enter a convolution.
  for (const node of graph.nodes.toReversed()) {
    for (const input of node.inputs) if (!isConstant(input)) learn(input, takenBy(node, input));
  }
  for (const [value, shape] of shapes) {
    if (shape.length <= 2) layouts.set(value, 'vector');
    // [N, C, 1] is a vector that was pooled to one position, and no C tokens of one number.
    else learn(value, shape.length === 3 && shape[2] !== 1 ? 'channelsLast' : 'channelsFirst');
  }
  return layouts;

  function demanded({ opType, inputs, attributes }: Node, node: Node): Layout | undefined {
    if (first.has(opType))
      return intAttribute(node, 'channels_last', 0) === 1 ? 'channelsLast' : 'channelsFirst';
    if (last.has(opType)) return 'channelsLast';
    if (opType === 'MatMul' || opType === 'QLinearMatMul') {
      const weights = opType === 'MatMul' ? inputs[1] : inputs[3];
      return weights !== undefined && isWeight(weights) ? 'channelsLast' : undefined;
    }
    if (opType === 'LayerNormalization') {
      const axis = attributes.has('axis') ? intAttribute(node, 'axis', -1) : -1;
      return positiveAxis(axis, rankOf(inputs[0]!)) === rankOf(inputs[0]!) - 1 ? 'channelsLast' : undefined;
    }
    return undefined;
  }

  function isWeight(value: string): boolean {
    if (isConstant(value)) return true;
    const node = producer(value);
    const through = ['DequantizeLinear', 'Transpose', 'Cast', 'Identity'];
    return node !== undefined && through.includes(node.opType) && isWeight(node.inputs[0]!);
  }

  function madeBy(node: Node, output: string): Layout | undefined {
    const fixed = demanded(node, node);
    if (fixed) return fixed;
    const { opType, inputs } = node;
    if (opType === 'Gather' && isConstant(inputs[0]!)) return 'channelsLast';
    const source = layouts.get(inputs[0] ?? '');
    if (opType === 'Transpose') return source && moved(node, inputs[0]!, source, 'forward');
    if (moving.has(opType)) return source && regrouped(source, shapes.get(inputs[0]!), shapes.get(output));
    for (const input of inputs) {
      if (rankOf(input) === rankOf(output) && layouts.has(input)) return layouts.get(input);
    }
    return undefined;
  }

  function takenBy(node: Node, input: string): Layout | undefined {
    if (input !== node.inputs[0] && !elementwise(node)) return undefined;
    const fixed = demanded(node, node);
    if (fixed) return fixed;
    const output = node.outputs[0]!;
    const target = layouts.get(output);
    if (node.opType === 'Transpose') return target && moved(node, input, target, 'backward');
    if (moving.has(node.opType)) return target && regrouped(target, shapes.get(output), shapes.get(input));
    return rankOf(input) === rankOf(output) && users(input).length > 0 ? target : undefined;
  }

  function elementwise({ opType }: Node): boolean {
    return opType === 'Add' || opType === 'Mul' || opType === 'Sub' || opType === 'Concat';
  }

  /** The layout on the other side of a Transpose. */
  function moved(
    node: Node,
    input: string,
    layout: Layout,
    direction: 'forward' | 'backward',
  ): Layout | undefined {
    const rank = rankOf(input);
    const perm = intsAttribute(node, 'perm') ?? Array.from({ length: rank }, (_, i) => rank - 1 - i);
    if (perm.length !== rank || perm[0] !== 0) return undefined;
    const axis = layout === 'channelsFirst' ? 1 : rank - 1;
    const other = direction === 'forward' ? perm.indexOf(axis) : perm[axis]!;
    return other === 1 ? 'channelsFirst' : other === rank - 1 ? 'channelsLast' : undefined;
  }
}

/** A Reshape that keeps the channels apart keeps their place: [1,C,H,W] → [1,C,H·W]. */
function regrouped(
  layout: Layout,
  from: readonly number[] | undefined,
  to: readonly number[] | undefined,
): Layout | undefined {
  if (!from || !to || to.length < 3 || from.length < 3) return undefined;
  if (layout === 'channelsFirst') return to[1] === from[1] && from[1]! > 1 ? layout : undefined;
  return layout === 'channelsLast' && to.at(-1) === from.at(-1) ? layout : undefined;
}
