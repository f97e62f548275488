/**
 * Recurrent state that comes in as an input and leaves as an output, so that a sequence may go on where it stopped. An
 * example by itself starts one: its state is zero.
 */
import { subgraphs } from '../onnx/attributes.js';
import { GraphBuilder } from '../onnx/graph-builder.js';
import { toInitializer } from '../onnx/initializer.js';
import {
  type Dimension,
  type Graph,
  type Initializer,
  type Model,
  type Node,
  node,
  type ValueInfo,
} from '../onnx/ir.js';
import { dtypeInfo, isFloat } from '../tensor/dtype.js';
import { sizeOf } from '../tensor/shape.js';
import { namesOf } from './names-of.js';

/** They hand a state on in another form. */
const passing: ReadonlySet<string> = new Set([
  'Identity',
  'Cast',
  'Squeeze',
  'Unsqueeze',
  'Reshape',
  'Transpose',
  'Gather',
  'Slice',
  'Split',
]);

/** What exporters call a state where its recurrent layer is written out, or hidden in branches. */
const saysState =
  /^((rnn|lstm|gru|initial|init|prev|past)_?)?(states?|h|c|hidden|cell|h_?0|c_?0|h_?in|c_?in|state_?in)$/i;

/**
 * The inputs whose data goes nowhere but into the initial states of recurrent layers, or that are named as states and
 * have an output of their form.
 */
export function stateInputs({ graph }: Model): string[] {
  const uses = usesIn(graph);
  return graph.inputs.filter((input) => isState(graph, input, uses)).map(({ name }) => name);
}

function isState(graph: Graph, input: ValueInfo, uses: Uses): boolean {
  const { name, type } = input;
  if (type?.kind !== 'tensor' || !isFloat(type.dtype) || graph.initializers.has(name)) return false;
  const hasOutput = saysState.test(name) && graph.outputs.some((output) => isOfForm(output, input));
  return hasOutput || endsInStates(name, uses);
}

/** As many axes, at least [batch, hidden], and the same size of each that both files tell. */
function isOfForm(output: ValueInfo, input: ValueInfo): boolean {
  const [a, b] = [shapeOf(output), shapeOf(input)];
  return (
    a.length === b.length &&
    a.length >= 2 &&
    a.every((dim, i) => dim === b[i] || isOpen(dim) || isOpen(b[i]!))
  );
}

interface Uses {
  readonly readers: ReadonlyMap<string, readonly Node[]>;
  /** What leaves the graph or a branch or body in it. */
  readonly outputs: ReadonlySet<string>;
}

/** Of the values of the graph and all bodies in it, whose names differ. */
function usesIn(graph: Graph): Uses {
  const readers = new Map<string, Node[]>();
  const outputs = new Set<string>();
  const pending = [graph];
  for (let body = pending.pop(); body; body = pending.pop()) {
    for (const { name } of body.outputs) outputs.add(name);
    for (const node of body.nodes) {
      for (const inner of subgraphs(node)) pending.push(inner);
      for (const name of new Set(node.inputs)) {
        const known = readers.get(name);
        if (known) known.push(node);
        else readers.set(name, [node]);
      }
    }
  }
  return { readers, outputs };
}

/** Whether the data of a value goes into initial states of recurrent layers and nowhere else. */
function endsInStates(value: string, { readers, outputs }: Uses): boolean {
  let found = false;
  const pending = [value];
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (outputs.has(name)) return false;
    for (const { opType, inputs, outputs: results } of readers.get(name) ?? []) {
      if (opType === 'Shape') continue;
      if (['LSTM', 'GRU', 'RNN'].includes(opType)) {
        if (inputs[5] !== name && inputs[6] !== name) return false;
        found = true;
      } else if (passing.has(opType) && inputs[0] === name)
        for (const result of results) pending.push(result);
      else return false;
    }
  }
  return found;
}

/**
 * The model with zeros in place of its state inputs, one state for each example of the batch. A state of one row
 * beside a first axis of any length stays one: that axis is then a sequence.
 */
export function holdStates(model: Model): Model {
  const { graph } = model;
  const held = new Set(stateInputs(model));
  const main = graph.inputs.find(({ name }) => !held.has(name) && !graph.initializers.has(name));
  if (held.size === 0 || !main) return model;
  const names = namesOf(graph);
  const b = new GraphBuilder({
    opset: model.opsets.get('') ?? 17,
    taken: [...names.values, ...names.nodes],
  });
  const isFixed = shapeOf(main)[0] === 1;
  const states = graph.inputs.filter(({ name }) => held.has(name)).map((input) => zerosOf(input, isFixed));
  const constants = states.filter(({ axis }) => axis === undefined);
  const nodes = states.flatMap(({ zeros, axis }) => {
    if (axis === undefined) return [];
    const count = b.op('Gather', [b.op('Shape', [main.name]), b.ints([0])], { attributes: { axis: 0 } });
    const sizes = zeros.dims.map((_, i) => (i === axis ? count : b.ints([1])));
    const target = b.op('Concat', sizes, { attributes: { axis: 0 } });
    const inputs = [b.initializer({ ...zeros, name: `${zeros.name}/zero` }), target];
    return node({ opType: 'Expand', name: zeros.name, inputs, outputs: [zeros.name] });
  });
  return {
    ...model,
    graph: {
      ...graph,
      inputs: graph.inputs.filter(({ name }) => !held.has(name)),
      initializers: new Map([
        ...graph.initializers,
        ...b.initializers,
        ...constants.map(({ zeros }) => [zeros.name, zeros] as const),
      ]),
      nodes: [...b.nodes, ...nodes, ...graph.nodes],
    },
  };
}

const shapeOf = ({ type }: ValueInfo): readonly Dimension[] =>
  (type?.kind === 'tensor' ? type.shape : undefined) ?? [];

const isOpen = (dim: Dimension): boolean => typeof dim !== 'number' || dim <= 0;

/** Zeros for one example, and the axis along which there are as many as examples. */
function zerosOf(input: ValueInfo, isFixed: boolean): { zeros: Initializer; axis?: number } {
  const dtype = input.type?.kind === 'tensor' ? input.type.dtype : 'float32';
  const shape = shapeOf(input);
  const dims = shape.map((dim) => (isOpen(dim) ? 1 : Number(dim)));
  const data = new (dtypeInfo(dtype).array)(sizeOf(dims));
  const zeros = toInitializer(input.name, { dtype, dims, data });
  const open = shape.findIndex(isOpen);
  // [layers · directions, batch, hidden]
  const axis = open === -1 && isFixed ? shape.indexOf(1, 1) : open;
  return axis === -1 ? { zeros } : { zeros, axis };
}
