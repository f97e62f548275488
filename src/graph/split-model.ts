import { indexGraph } from '../onnx/graph-index.js';
import type { Model } from '../onnx/ir.js';
import { cutModel, describeValue } from './cut-model.js';
import { removeUnused } from './remove-unused.js';

/**
 * Cuts a model in two at the values `at`: the backbone computes them, the tail takes them as inputs and computes the
 * model's outputs. Weights that both need are in both; inputs of the model that the tail still reads stay its inputs.
 * @throws GraftError UNKNOWN_VALUE
 */
export function splitModel(
  model: Model,
  at: readonly string[],
): { readonly backbone: Model; readonly tail: Model } {
  const backbone = cutModel(model, at);
  const cut = new Set(at);
  const { graph } = model;
  // Without the producers of the cut values, nothing before them is needed any more.
  const nodes = graph.nodes.map((node) =>
    node.outputs.some((output) => cut.has(output))
      ? { ...node, outputs: node.outputs.map((output) => (cut.has(output) ? '' : output)) }
      : node,
  );
  const tail = removeUnused({ ...graph, nodes });
  const { users } = indexGraph(tail);
  const inputs = graph.inputs.filter(({ name }) => users(name).length > 0);
  return {
    backbone,
    tail: {
      ...model,
      graph: { ...tail, inputs: [...at.map((name) => describeValue(model, name)), ...inputs] },
    },
  };
}
