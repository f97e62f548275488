/**
 * A model whose file says that it takes so many examples at once, as exporters write it who trace with a batch: here it
 * takes one, so that its shapes tell which values belong to an example, and its batch can be freed.
 *
 * The size is changed where it is known to be the batch: in the declared shapes of inputs and outputs, and as the first
 * size of what values are reshaped, expanded or resized to. A model that has it elsewhere too does not run then.
 */
import { GraphBuilder } from '../onnx/graph-builder.js';
import { valuesRead } from '../onnx/graph-index.js';
import type { Graph, Model, Node, ValueInfo } from '../onnx/ir.js';
import { int64 } from '../tensor/tensor.js';
import { namesOf } from './names-of.js';
import { factsOf } from './value-facts.js';

/** Where an operator takes the sizes that its result shall have. */
const shapeInput: Readonly<Record<string, number | undefined>> = { Reshape: 1, Expand: 1, Resize: 3 };

/** A model of one example, or with a free batch, stays as it is. */
export function takeOneExample(model: Model): Model {
  const { graph } = model;
  const batch = declaredBatch(graph);
  if (batch === undefined) return model;
  const names = namesOf(graph);
  const builder = new GraphBuilder({
    opset: model.opsets.get('') ?? 17,
    taken: [...names.values, ...names.nodes],
  });
  const facts = factsOf(graph);
  const nodes = graph.nodes.map((node): Node => {
    const at = node.domain === '' ? shapeInput[node.opType] : undefined;
    const constant = at === undefined ? undefined : facts.constantOf(node.inputs[at] ?? '');
    if (at === undefined || constant?.dtype !== 'int64' || batch === 0) return node;
    const dims = Array.from(constant.data, Number);
    const [first = 0] = dims;
    // Batch · heads on one axis; beside a −1 it may as well be something else.
    const isBatch = first === batch || (first > 0 && first % batch === 0 && !dims.includes(-1));
    if (!isBatch) return node;
    const one = int64([dims.length], dims.with(0, first / batch));
    return { ...node, inputs: node.inputs.with(at, builder.constant(`${node.outputs[0]}/one`, one)) };
  });
  const of = (value: ValueInfo): ValueInfo =>
    graph.initializers.has(value.name) ? value : ofOne(value, batch);
  return {
    ...model,
    graph: {
      ...graph,
      nodes,
      initializers: new Map([...graph.initializers, ...builder.initializers]),
      inputs: graph.inputs.map(of),
      outputs: graph.outputs.map(of),
      valueInfo: new Map([...graph.valueInfo].filter(([name]) => graph.initializers.has(name))),
    },
  };
}

/** The first size that all inputs of images or tokens declare, where it is not 1; some exporters write 0 for a free one. */
function declaredBatch(graph: Graph): number | undefined {
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

function ofOne(value: ValueInfo, batch: number): ValueInfo {
  const { type } = value;
  if (type?.kind !== 'tensor' || type.shape?.[0] !== batch) return value;
  return { ...value, type: { ...type, shape: type.shape.with(0, 1) } };
}
