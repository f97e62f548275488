/**
 * A model whose file says that it takes so many examples at once, as exporters write it who trace with a batch: here it
 * takes one, so that its shapes tell which values belong to an example, and its batch can be freed.
 *
 * With the shapes of a run on the whole batch its axis is followed through the graph, and made shorter where constants
 * say how long it is: in the sizes to reshape, expand and resize to, and in operands that hold the same for each
 * example, as a class token, a mask, a first state. Whether that was all is for the caller to try.
 */
import { intAttribute } from '../onnx/attributes.js';
import { GraphBuilder } from '../onnx/graph-builder.js';
import { valuesRead } from '../onnx/graph-index.js';
import type { Graph, Model, Node, ValueInfo } from '../onnx/ir.js';
import { dtypeInfo } from '../tensor/dtype.js';
import { sizeOf } from '../tensor/shape.js';
import { int64 } from '../tensor/tensor.js';
import { type BatchAxis, batchAxes } from './batch-axes.js';
import { valuesFromInputs } from './free-batch.js';
import { namesOf } from './names-of.js';
import { factsOf } from './value-facts.js';
import type { Shapes } from './value-layout.js';

/** Where an operator takes the sizes that its result shall have. */
const shapeInput: Readonly<Record<string, number | undefined>> = { Reshape: 1, Expand: 1, Resize: 3 };

/** Their operands have as many examples each, or one. */
const elementwise = new Set(
  `Add Sub Mul Div Pow Mod Min Max Sum Mean PRelu Where And Or Xor Equal Greater GreaterOrEqual Less LessOrEqual
  GatherElements GridSample Concat MatMul LSTM GRU RNN Gather`.split(/\s+/),
);

/**
 * A model of one example, or with a free batch, stays as it is.
 * @param shapes - of all values, from a run on as many examples as the file says
 */
export function takeOneExample(model: Model, shapes: Shapes): Model {
  const { graph } = model;
  const batch = declaredBatch(graph);
  if (batch === undefined) return model;
  const names = namesOf(graph);
  const builder = new GraphBuilder({
    opset: model.opsets.get('') ?? 17,
    taken: [...names.values, ...names.nodes],
  });
  const axes = batch > 1 ? batchAxes(graph, shapes, batch) : new Map<string, BatchAxis>();
  const shortening: Shortening = {
    ...{ batch, shapes, axes, builder, facts: factsOf(graph) },
    fromInputs: valuesFromInputs(isOfKnownSizes(graph) ? withoutSizes(graph) : graph),
  };
  for (const node of graph.nodes) builder.nodes.push(shortened(node, shortening));
  const of = (value: ValueInfo): ValueInfo =>
    graph.initializers.has(value.name) ? value : ofOne(value, batch, axes.get(value.name)?.axis);
  return {
    ...model,
    graph: {
      ...graph,
      nodes: builder.nodes,
      initializers: new Map([...graph.initializers, ...builder.initializers]),
      inputs: graph.inputs.map(of),
      outputs: graph.outputs.map(of),
      valueInfo: new Map([...graph.valueInfo].filter(([name]) => graph.initializers.has(name))),
    },
  };
}

/** Whether all inputs say how long each of their axes is. */
function isOfKnownSizes({ inputs, initializers }: Graph): boolean {
  return inputs.every(
    ({ name, type }) =>
      initializers.has(name) ||
      (type?.kind === 'tensor' && type.shape?.every((dim) => typeof dim === 'number')),
  );
}

/** What is computed from sizes alone, where these are known, is always the same. */
function withoutSizes(graph: Graph): Graph {
  return { ...graph, nodes: graph.nodes.filter(({ opType }) => opType !== 'Shape' && opType !== 'Size') };
}

interface Shortening {
  readonly batch: number;
  readonly shapes: Shapes;
  readonly axes: ReadonlyMap<string, BatchAxis>;
  readonly builder: GraphBuilder;
  /** Values that are not the same for all inputs. */
  readonly fromInputs: ReadonlySet<string>;
  readonly facts: ReturnType<typeof factsOf>;
}

function shortened(node: Node, setting: Shortening): Node {
  const { axes, shapes } = setting;
  const [output = ''] = node.outputs;
  const to = axes.get(output);
  const dims = shapes.get(output);
  if (node.domain !== '' || !to || !dims) return node;
  const at = shapeInput[node.opType];
  if (at !== undefined) return withShorterShape(node, at, to, dims, setting);
  if (!elementwise.has(node.opType)) return node;
  return {
    ...node,
    inputs: node.inputs.map((input, i) => {
      const axis = operandAxis(node, i, to, setting);
      return axis === undefined ? input : firstOf(input, axis, setting);
    }),
  };
}

function withShorterShape(
  node: Node,
  at: number,
  { axis }: BatchAxis,
  to: readonly number[],
  { batch, builder, fromInputs, facts }: Shortening,
): Node {
  const shape = node.inputs[at] ?? '';
  if (shape === '' || fromInputs.has(shape) || to[axis]! % batch !== 0) return node;
  const constant = facts.constantOf(shape);
  const dims = constant ? Array.from(constant.data, Number) : to;
  // What is left over, or as the input has it, follows by itself; sizes of some axes alone name no batch.
  if (dims.length !== to.length || dims[axis]! <= 0) return node;
  const one = dims.with(axis, to[axis]! / batch);
  return {
    ...node,
    inputs: node.inputs.with(at, builder.constant(`${node.outputs[0]}/one`, int64([one.length], one))),
  };
}

/** The axis along which an operand that depends on no input holds something for each example. */
function operandAxis(
  { opType, inputs, outputs, ...node }: Node,
  i: number,
  to: BatchAxis,
  { batch, shapes, fromInputs }: Shortening,
): number | undefined {
  const input = inputs[i]!;
  const own = shapes.get(input);
  if (input === '' || fromInputs.has(input) || !own) return undefined;
  const rank = shapes.get(outputs[0]!)!.length;
  let axis: number;
  switch (opType) {
    case 'LSTM':
    case 'GRU':
    case 'RNN':
      if (i < 5) return undefined;
      axis = intAttribute({ opType, inputs, outputs, ...node }, 'layout', 0) === 0 ? 1 : 0;
      break;
    case 'Gather':
      if (i !== 1) return undefined;
      axis = 0;
      break;
    default:
      axis = to.axis - (rank - own.length);
  }
  // Of a matrix the last two axes are no batch.
  if (to.outer !== 1 || axis < 0 || (opType === 'MatMul' && axis >= own.length - 2)) return undefined;
  return own[axis] === batch ? axis : undefined;
}

/** Of a value that holds something for each example along the axis, what it holds for the first one. */
function firstOf(value: string, axis: number, { batch, shapes, builder, facts }: Shortening): string {
  const dims = shapes.get(value)!;
  const name = `${value}/one`;
  const constant = facts.constantOf(value);
  // Types of less than a byte share their elements of the array.
  if (constant && constant.data.length === sizeOf(dims)) {
    const data = new (dtypeInfo(constant.dtype).array)(sizeOf(dims) / batch);
    const inner = sizeOf(dims.slice(axis)) / batch;
    for (let i = 0; i < data.length; i++)
      data[i] = constant.data[Math.floor(i / inner) * inner * batch + (i % inner)]!;
    return builder.constant(name, { ...constant, dims: dims.with(axis, 1), data });
  }
  const [starts, ends, axes] = [[0], [1], [axis]];
  if (builder.opset < 10) return builder.op('Slice', [value], { name, attributes: { starts, ends, axes } });
  return builder.op('Slice', [value, ...[starts, ends, axes].map((list) => builder.ints(list))], { name });
}

/** The first size that all inputs of images or tokens declare, where it is not 1; some exporters write 0 for a free one. */
export function declaredBatch(graph: Graph): number | undefined {
  const read = new Set(graph.nodes.flatMap((node) => [...valuesRead(node)]));
  const sizes = graph.inputs
    .filter(({ name }) => read.has(name) && !graph.initializers.has(name))
    .map(({ type }) => {
      if (type?.kind !== 'tensor' || !type.shape) return undefined;
      const isExamples =
        type.shape.length === 4 || (type.shape.length === 2 && /^int(32|64)$/.test(type.dtype));
      return isExamples ? type.shape[0] : undefined;
    });
  const [size] = sizes;
  return typeof size === 'number' && size !== 1 && sizes.every((other) => other === size) ? size : undefined;
}

function ofOne(value: ValueInfo, batch: number, followed: number | undefined): ValueInfo {
  const { type } = value;
  const axis = followed ?? 0;
  const dim = type?.kind === 'tensor' ? type.shape?.[axis] : undefined;
  if (type?.kind !== 'tensor' || !type.shape || typeof dim !== 'number') return value;
  const isOfBatch = dim === batch || (followed !== undefined && dim % batch === 0);
  if (!isOfBatch) return value;
  return { ...value, type: { ...type, shape: type.shape.with(axis, dim === batch ? 1 : dim / batch) } };
}
