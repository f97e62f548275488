/**
 * Where the batch lies in every value, followed from the inputs through the graph with the shapes of a run on one example.
 *
 * At batch 1 the batch is invisible: [197,12,64] may be [197, B·12, 64], as attention written for sequences first makes
 * it. In memory, however, it always lies between the same two neighbours, so what a value has before it is enough to
 * find its axis again after a Reshape.
 */
import { intAttribute, intsAttribute, stringAttribute } from '../onnx/attributes.js';
import type { Graph, Node } from '../onnx/ir.js';
import { positiveAxis, sizeOf } from '../tensor/shape.js';
import { factsOf } from './value-facts.js';
import type { Shapes } from './value-layout.js';

export interface BatchAxis {
  /** The axis is `outer` · batch · the rest long. */
  readonly axis: number;
  readonly outer: number;
}

/** What they give holds no examples, or not one after another. */
const batchless: ReadonlySet<string> = new Set([
  'Shape',
  'Size',
  'NonZero',
  'ConstantOfShape',
  'Compress',
  'Unique',
]);

/** Whether the file says that the batch is 1 (or another), so that what is computed may count on it. */
export const hasFixedBatch = (graph: Graph, batch = 1): boolean =>
  graph.inputs.some(({ type }) => type?.kind === 'tensor' && type.shape?.[0] === batch);

/**
 * The batch axis of the values that hold one.
 * @param shapes - of all values, for one example, or for a batch of them; inputs whose first axis is that long are batched
 * along it
 */
export function batchAxes(graph: Graph, shapes: Shapes, size = 1): ReadonlyMap<string, BatchAxis> {
  const axes = new Map<string, BatchAxis>();
  const { constantOf } = factsOf(graph);
  // Where the batch is free already, the file means what it says.
  const isFixed = hasFixedBatch(graph, size);
  for (const { name } of graph.inputs) {
    if (!graph.initializers.has(name) && shapes.get(name)?.[0] === size)
      axes.set(name, { axis: 0, outer: 1 });
  }
  for (const node of graph.nodes) {
    if (batchless.has(node.opType)) continue;
    for (const [i, output] of node.outputs.entries()) {
      const found = output === '' ? undefined : axisAfter(node, i);
      if (found) axes.set(output, found);
    }
  }
  return axes;

  function axisAfter(node: Node, output: number): BatchAxis | undefined {
    const to = shapes.get(node.outputs[output]!);
    const input = node.inputs.find((name) => axes.has(name) && shapes.has(name));
    if (!to || input === undefined) return undefined;
    const from = shapes.get(input)!;
    const batch = axes.get(input)!;
    const moved = move(node, { input, output, from, to, batch });
    if (!moved || moved.axis < 0 || moved.axis >= to.length) return undefined;
    return moved;
  }

  function move(node: Node, { input, output, from, to, batch }: Step): BatchAxis | undefined {
    const { axis } = batch;
    const at = (place: number): BatchAxis => ({ ...batch, axis: place });
    switch (node.opType) {
      case 'Transpose': {
        const perm = intsAttribute(node, 'perm') ?? from.map((_, i) => from.length - 1 - i);
        return at(perm.indexOf(axis));
      }
      case 'Reshape':
      case 'Flatten':
        return input === node.inputs[0] ? regroup(from, batch, to, size) : undefined;
      case 'Unsqueeze': {
        const added = axesOf(node, to.length) ?? [];
        return at(to.flatMap((_, i) => (added.includes(i) ? [] : [i]))[axis] ?? -1);
      }
      case 'Squeeze': {
        const removed =
          axesOf(node, from.length) ?? from.flatMap((dim, i) => (dim === 1 && i !== axis ? [i] : []));
        return removed.includes(axis) ? undefined : at(axis - removed.filter((i) => i < axis).length);
      }
      case 'Gather': {
        const along = positiveAxis(intAttribute(node, 'axis', 0), shapes.get(node.inputs[0]!)?.length ?? 0);
        if (input === node.inputs[1]) return at(along + axis);
        if (axis === along)
          return takesFromExample(node, from, to, batch) ? { axis: 0, outer: 1 } : undefined;
        return axis < along ? batch : at(axis + to.length - from.length);
      }
      case 'EmbedLayerNormalization':
        return batch;
      case 'LSTM':
      case 'GRU':
      case 'RNN':
        // [sequence, batch, …] gives [sequence, directions, batch, …] and the last states [directions, batch, …].
        return intAttribute(node, 'layout', 0) === 0 ? at(output === 0 ? 2 : 1) : at(0);
      case 'Einsum':
        return at(einsumAxis(node, input, axis));
      default:
        if (/^(Reduce|Arg(Max|Min))/.test(node.opType) && to.length < from.length) {
          const reduced = axesOf(node, from.length) ?? [
            positiveAxis(intAttribute(node, 'axis', 0), from.length),
          ];
          return reduced.includes(axis) ? undefined : at(axis - reduced.filter((i) => i < axis).length);
        }
        // Axes meet from the right, as NumPy's broadcasting and matrix products have it.
        return at(axis + to.length - from.length);
    }
  }

  /**
   * The elements of an example laid out flat, picked by constants that have a batch of 1 themselves: what PyTorch's
   * newer exporter writes for as_strided, as in the mean over a transposed image. Of several examples, by indices that
   * come from sizes: what transformers' models traced with a fixed batch do with their masks.
   */
  function takesFromExample(
    node: Node,
    from: readonly number[],
    to: readonly number[],
    { outer }: BatchAxis,
  ): boolean {
    const [, indices = ''] = node.inputs;
    const isFlat = size === 1 ? from.length === 1 : sizeOf(from.slice(1)) === 1;
    const isPicked = size === 1 ? constantOf(indices) !== undefined : !axes.has(indices);
    return isFlat && from[0]! > 1 && outer === 1 && isFixed && to.length > 1 && to[0] === size && isPicked;
  }

  /** Of an attribute before operator set 13, of an input since. */
  function axesOf(node: Node, rank: number): number[] | undefined {
    const given = intsAttribute(node, 'axes') ?? constantInts(node.inputs[1]);
    return given?.map((axis) => positiveAxis(axis, rank));
  }

  function constantInts(name: string | undefined): number[] | undefined {
    const constant = name === undefined || name === '' ? undefined : constantOf(name);
    return constant && Array.from(constant.data, Number);
  }
}

interface Step {
  readonly input: string;
  /** Which output of the node. */
  readonly output: number;
  readonly from: readonly number[];
  readonly to: readonly number[];
  readonly batch: BatchAxis;
}

/**
 * The batch axis after a Reshape. Where the batch falls between two axes, it belongs to the rows of a matrix, to what
 * was split or joined on its other side, or else to the axis after it.
 */
function regroup(
  from: readonly number[],
  { axis, outer }: BatchAxis,
  to: readonly number[],
  size: number,
): BatchAxis | undefined {
  const before = sizeOf(from.slice(0, axis)) * outer;
  let prefix = 1;
  for (const [i, dim] of to.entries()) {
    // A batch above 1 is seen: it lies in no axis of length 1.
    if (prefix === before && (size === 1 || dim > 1)) {
      const isBetween = i > 0 && dim !== 1 && before > 1;
      const isAfterSame = String(to.slice(i)) === String(from.slice(axis + 1));
      if (isBetween && (to.length === 2 || isAfterSame)) return { axis: i - 1, outer: to[i - 1]! };
      return { axis: i, outer: 1 };
    }
    if (prefix < before && before < prefix * dim && before % prefix === 0)
      return { axis: i, outer: before / prefix };
    prefix *= dim;
  }
  return to.length > 0 && prefix === before ? { axis: to.length - 1, outer: to.at(-1)! } : undefined;
}

function einsumAxis(node: Node, input: string, axis: number): number {
  const [inputs = '', output = ''] = stringAttribute(node, 'equation', '').replace(/\s/g, '').split('->');
  const letter = inputs.split(',')[node.inputs.indexOf(input)]?.[axis];
  return letter === undefined || letter === '.' ? axis : output.indexOf(letter);
}
