/**
 * What a decoder has seen before: keys and values that come in as inputs and leave longer, so that a text can go on where it
 * stopped. A text by itself has no past: those inputs become tensors of length 0.
 */
import { intAttribute } from '../onnx/attributes.js';
import { GraphBuilder } from '../onnx/graph-builder.js';
import { toInitializer } from '../onnx/initializer.js';
import { type Dimension, type Graph, type Model, node, type Node, type ValueInfo } from '../onnx/ir.js';
import { dtypeInfo, isFloat } from '../tensor/dtype.js';
import { namesOf } from './names-of.js';
import { findTokenInputs } from './find-token-inputs.js';

const saysPast = /past|cache/i;

/** Inputs of past keys and values whose length is free, and the switch that asks whether there are any. */
export function pastInputs({ graph }: Pick<Model, 'graph'>): string[] {
  const pasts = graph.inputs.filter((input) => isGiven(graph, input) && pastAxes(input));
  return pasts.length === 0 ? [] : [...pasts, ...switches(graph)].map(({ name }) => name);
}

/** Whether the input is of a past, be its length free or not: never an image, though it may have four axes. */
export const isPast = ({ name, type }: ValueInfo): boolean =>
  saysPast.test(name) && type?.kind === 'tensor' && isFloat(type.dtype);

/** The model for texts that begin: without the inputs of a past. One that has none, or takes no token ids, stays as it is. */
export function emptyPasts(model: Model): Model {
  const { graph } = model;
  const held = new Set(pastInputs(model));
  const ids = held.size > 0 ? findTokenInputs(graph)?.ids.name : undefined;
  if (ids === undefined) return model;
  const names = namesOf(graph);
  const b = new GraphBuilder({
    opset: model.opsets.get('') ?? 17,
    taken: [...names.values, ...names.nodes],
  });
  const batch = b.op('Gather', [b.op('Shape', [ids]), b.ints([0])], { attributes: { axis: 0 } });
  const shapes = new Map<string, string>();
  /** Counted from the front and from the back. */
  const axes = new Map<string, readonly number[]>();
  for (const input of graph.inputs.filter(({ name }) => held.has(name))) {
    const dtype = input.type?.kind === 'tensor' ? input.type.dtype : 'float32';
    const zero = toInitializer(input.name, { dtype, dims: [1], data: new (dtypeInfo(dtype).array)(1) });
    const found = pastAxes(input);
    if (!found) {
      b.initializers.set(input.name, zero);
      continue;
    }
    const sizes = shapeOf(input).map((dim, i) =>
      i === found.batch ? batch : b.ints([i === found.past ? 0 : Number(dim)]),
    );
    const shape = b.op('Concat', sizes, { attributes: { axis: 0 } });
    const attributes = new Map([['value', { kind: 'tensor', value: zero } as const]]);
    b.nodes.push(
      node({
        opType: 'ConstantOfShape',
        name: input.name,
        inputs: [shape],
        outputs: [input.name],
        attributes,
      }),
    );
    shapes.set(input.name, shape);
    axes.set(input.name, [found.past, found.past - sizes.length]);
  }
  const begun = {
    ...graph,
    inputs: graph.inputs.filter(({ name }) => !held.has(name)),
    initializers: new Map([...graph.initializers, ...b.initializers]),
    nodes: [...b.nodes, ...graph.nodes.map((row) => withoutPast(row, shapes, axes))],
  };
  return { ...model, graph: begun };
}

/** Tensors of length 0 cannot be cached or trained on: where they are joined or measured, they need not be there. */
function withoutPast(
  row: Node,
  shapes: ReadonlyMap<string, string>,
  axes: ReadonlyMap<string, readonly number[]>,
): Node {
  const [first = ''] = row.inputs;
  if (row.opType === 'Shape' && shapes.has(first) && row.attributes.size === 0)
    return { ...row, opType: 'Identity', inputs: [shapes.get(first)!] };
  if (row.opType !== 'Concat') return row;
  const axis = intAttribute(row, 'axis', 0);
  const inputs = row.inputs.filter((name) => !axes.get(name)?.includes(axis));
  if (inputs.length === row.inputs.length || inputs.length === 0) return row;
  return inputs.length > 1
    ? { ...row, inputs }
    : { ...row, opType: 'Identity', inputs, attributes: new Map() };
}

/** [batch, heads, past, size], with the two of them free and nothing else. */
function pastAxes(input: ValueInfo): { batch: number; past: number } | undefined {
  const shape = shapeOf(input);
  if (!isPast(input) || shape.length < 3) return undefined;
  const open = shape.flatMap((dim, i) => (typeof dim === 'number' && dim > 0 ? [] : [i]));
  if (open.length !== 2) return undefined;
  const past = open.find((i) => saysPast.test(String(shape[i]))) ?? open[1]!;
  return { batch: open.find((i) => i !== past)!, past };
}

/** `use_cache_branch` of a file that holds a decoder with and without a past. */
const switches = (graph: Graph): ValueInfo[] =>
  graph.inputs.filter(
    (input) =>
      isGiven(graph, input) &&
      saysPast.test(input.name) &&
      input.type?.kind === 'tensor' &&
      input.type.dtype === 'bool',
  );

const isGiven = ({ initializers }: Graph, { name }: ValueInfo): boolean => !initializers.has(name);

const shapeOf = ({ type }: ValueInfo): readonly Dimension[] =>
  (type?.kind === 'tensor' ? type.shape : undefined) ?? [];
