/**
 * Makes the batch of a model free, also where exporters baked a batch of 1 into constants:
 *
 * - the shape of a Reshape: the batch's axis becomes −1 (whatever is left over), or 0 (as the input has it);
 * - the sizes of a Resize and the shape of an Expand;
 * - one class token, one initial state, one table that elements are gathered from, one grid to sample at: put beside or
 *   into a batch, they are repeated for it;
 * - elements gathered by constants from one example laid out flat come from each.
 *
 * A graph that is free already stays as it is.
 */
import { GraphBuilder } from '../onnx/graph-builder.js';
import { intAttribute } from '../onnx/attributes.js';
import { valuesRead } from '../onnx/graph-index.js';
import type { Graph, Model, Node, ValueInfo } from '../onnx/ir.js';
import { isFloat } from '../tensor/dtype.js';
import { positiveAxis } from '../tensor/shape.js';
import { type BatchAxis, batchAxes } from './batch-axes.js';
import { FreeSizes } from './free-sizes.js';
import { namesOf } from './names-of.js';
import { RepeatForBatch } from './repeat-for-batch.js';
import { factsOf } from './value-facts.js';
import type { Shapes } from './value-layout.js';

const batchDimension = 'batch';

/** @param shapes - of all values, from a run on one example */
export function freeBatch(model: Model, shapes: Shapes): Model {
  const { graph } = model;
  const names = namesOf(graph);
  const freeing = new Freeing(
    graph,
    shapes,
    new GraphBuilder({ opset: model.opsets.get('') ?? 17, taken: [...names.values, ...names.nodes] }),
  );
  const { nodes, constants } = freeing.run();
  const initializers = new Map([...graph.initializers, ...constants]);
  return {
    ...model,
    graph: {
      ...graph,
      nodes,
      initializers,
      inputs: graph.inputs.map((value) =>
        initializers.has(value.name) ? value : freedValue(value, { axis: 0, outer: 1 }),
      ),
      outputs: graph.outputs.map((value) =>
        freedValue(value, freeing.axes.get(value.name) ?? { axis: 0, outer: 1 }),
      ),
      // Shapes noted for batch 1 would be wrong now; those of weights and constants stay.
      valueInfo: new Map([...graph.valueInfo].filter(([name]) => !freeing.fromInputs.has(name))),
    },
  };
}

class Freeing {
  readonly axes: ReadonlyMap<string, BatchAxis>;
  /** Whatever depends on an input, be it on its shape alone. */
  readonly fromInputs: ReadonlySet<string>;
  readonly #graph: Graph;
  readonly #shapes: Shapes;
  readonly #builder: GraphBuilder;
  readonly #facts;
  readonly #repeat: RepeatForBatch;
  readonly #sizes: FreeSizes;

  constructor(graph: Graph, shapes: Shapes, builder: GraphBuilder) {
    this.axes = batchAxes(graph, shapes);
    this.fromInputs = valuesFromInputs(graph);
    this.#graph = graph;
    this.#shapes = shapes;
    this.#builder = builder;
    this.#facts = factsOf(graph);
    this.#repeat = new RepeatForBatch({ builder, shapes, fromInputs: this.fromInputs });
    this.#sizes = new FreeSizes({ graph, shapes, builder, axes: this.axes, repeat: this.#repeat });
  }

  run() {
    const { nodes, initializers: constants } = this.#builder;
    for (const node of this.#graph.nodes) nodes.push(this.#freed(node));
    return { nodes, constants };
  }

  #freed(node: Node): Node {
    if (node.opType === 'QLinearConcat') return this.#repeatQuantised(node);
    if (node.domain !== '') return node;
    switch (node.opType) {
      case 'Concat':
        return this.#repeatBeside(node);
      case 'Gather':
        return this.#gatherFromEach(node);
      case 'LSTM':
      case 'GRU':
      case 'RNN':
        return this.#repeatStates(node);
      case 'GatherElements':
      case 'GridSample':
        return this.#repeatOperands(node);
      default:
        return this.#sizes.freed(node);
    }
  }

  /** From one example laid out flat, [B · n], by indices [1, …]: from the rows of [B, n] it is [B, 1, …]. */
  #gatherFromEach(node: Node): Node {
    const [data = '', indices = ''] = node.inputs;
    const output = node.outputs[0]!;
    const isAlongBatch = this.axes.get(data)?.axis === intAttribute(node, 'axis', 0);
    if (!isAlongBatch || this.axes.has(indices) || !this.axes.has(output)) return node;
    const [length = 1] = this.#shapes.get(data)!;
    const rows = this.#builder.op('Reshape', [data, this.#builder.ints([-1, length])], {
      name: `${output}/rows`,
    });
    const picked = this.#builder.op('Gather', [rows, indices], {
      name: `${output}/picked`,
      attributes: { axis: 1 },
    });
    const shape = this.#builder.ints([-1, ...this.#shapes.get(output)!.slice(1)]);
    return { ...node, opType: 'Reshape', inputs: [picked, shape], attributes: new Map() };
  }

  /** What is not of the batch, beside what is, comes once for each example: a class token. */
  #repeatBeside(node: Node): Node {
    const to = this.axes.get(node.outputs[0]!);
    const carrier = node.inputs.find((input) => this.axes.has(input));
    const rank = this.#shapes.get(node.outputs[0]!)?.length ?? 0;
    if (!to || carrier === undefined || positiveAxis(intAttribute(node, 'axis', 0), rank) === to.axis)
      return node;
    // Indices are left alone: repeated, they would all mean the first example.
    const inputs = node.inputs.map((input) =>
      isFloat(this.#facts.dtypeOf(input) ?? 'float32')
        ? this.#repeat.repeated(input, { carrier, axis: to.axis })
        : input,
    );
    return { ...node, inputs };
  }

  /** Beside scale and zero point of the result, a QLinearConcat takes values, each with a scale and a zero point. */
  #repeatQuantised(node: Node): Node {
    const to = this.axes.get(node.outputs[0]!);
    const carrier = node.inputs.find((input) => this.axes.has(input));
    const rank = this.#shapes.get(node.outputs[0]!)?.length ?? 0;
    if (!to || carrier === undefined || positiveAxis(intAttribute(node, 'axis', 0), rank) === to.axis)
      return node;
    const inputs = node.inputs.map((input, i) =>
      i % 3 === 2 ? this.#repeat.repeated(input, { carrier, axis: to.axis }) : input,
    );
    return { ...node, inputs };
  }

  #repeatStates(node: Node): Node {
    const [carrier = ''] = node.inputs;
    const batch = this.axes.get(carrier);
    if (!batch) return node;
    // Initial states are [directions, batch, …]; with layout 1 the batch comes first.
    const axis = intAttribute(node, 'layout', 0) === 0 ? 1 : 0;
    const inputs = node.inputs.map((input, i) =>
      i === 5 || i === 6 ? this.#repeat.repeated(input, { carrier, carrierAxis: batch.axis, axis }) : input,
    );
    return { ...node, inputs };
  }

  /** Operands of as many examples each, that do not broadcast. */
  #repeatOperands(node: Node): Node {
    const carrier = node.inputs.find((input) => this.axes.has(input));
    if (carrier === undefined) return node;
    const { axis } = this.axes.get(carrier)!;
    const rank = this.#shapes.get(carrier)?.length ?? 0;
    // Elements gathered along the batch come from the one example that there is.
    if (node.opType === 'GatherElements' && positiveAxis(intAttribute(node, 'axis', 0), rank) === axis)
      return node;
    return { ...node, inputs: node.inputs.map((input) => this.#repeat.repeated(input, { carrier, axis })) };
  }
}

/** Whatever depends on an input, be it on its shape alone. */
export function valuesFromInputs(graph: Graph): Set<string> {
  const found = new Set(graph.inputs.map(({ name }) => name).filter((name) => !graph.initializers.has(name)));
  for (const node of graph.nodes) {
    for (const input of valuesRead(node)) {
      if (!found.has(input)) continue;
      for (const output of node.outputs) found.add(output);
      break;
    }
  }
  return found;
}

/** The value with a free batch; a size above 1 there is no batch, or several of its axes in one. */
function freedValue(value: ValueInfo, { axis }: BatchAxis): ValueInfo {
  const { type } = value;
  if (type?.kind !== 'tensor' || !type.shape || axis >= type.shape.length) return value;
  const dim = type.shape[axis]!;
  if (axis === 0 && typeof dim === 'number' && dim !== 1) return value;
  return { ...value, type: { ...type, shape: type.shape.with(axis, axis === 0 ? batchDimension : null) } };
}
