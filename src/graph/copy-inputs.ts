import type { Model } from '../onnx/ir.js';
import { GraphBuilder } from '../onnx/graph-builder.js';
import { namesOf } from './names-of.js';
import { keepNames, renameGraph } from './rename-graph.js';

/**
 * The model with a copy of each input in place of the input itself, so that a cut may lie right behind it: a cut is at what
 * a node computes.
 */
export function copyInputs(model: Model): Model {
  const { graph } = model;
  const names = namesOf(graph);
  const builder = new GraphBuilder({
    opset: model.opsets.get('') ?? 17,
    taken: [...names.values, ...names.nodes],
  });
  const inputs = graph.inputs.filter(({ name }) => !graph.initializers.has(name));
  const copies = new Map(
    inputs.map(({ name }) => [name, builder.op('Identity', [name], { name: `${name}/copy` })]),
  );
  const renamed = renameGraph(graph, { ...keepNames, value: (name) => copies.get(name) ?? name });
  return {
    ...model,
    graph: { ...renamed, inputs: graph.inputs, nodes: [...builder.nodes, ...renamed.nodes] },
  };
}
