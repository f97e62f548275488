import { indexGraph } from '../onnx/graph-index.js';
import { type Model, tensorValue } from '../onnx/ir.js';
import { cutModel, describeValues } from './cut-model.js';
import { namesOf } from './names-of.js';
import { removeUnused } from './remove-unused.js';
import { removeUnusedFunctions } from './remove-unused-functions.js';
import { valueDtype } from './value-dtype.js';
import { UniqueNames } from './unique-names.js';

/**
 * Cuts a model in two at the values `at`: the backbone computes them, the tail takes them as inputs and computes the
 * model's outputs. Weights that both need are in both; inputs of the model that the tail still reads stay its inputs.
 * Of values that no model output needs, the tail takes none. `mergeModels` puts the two together again.
 * @throws GraftError UNKNOWN_VALUE
 */
export function splitModel(
  model: Model,
  at: readonly string[],
): { readonly backbone: Model; readonly tail: Model } {
  const backbone = cutModel(model, at);
  const cut = new Set(at);
  const { graph } = model;
  const fresh = new UniqueNames({ taken: namesOf(graph).values });
  // Without the producers of the cut values, nothing before them is needed any more. A producer that has other outputs
  // too may stay for those; its cut output goes nowhere then.
  const nodes = graph.nodes.map((node) =>
    node.outputs.some((output) => cut.has(output))
      ? {
          ...node,
          outputs: node.outputs.map((output) => (cut.has(output) ? fresh.take(`${output}/unused`) : output)),
        }
      : node,
  );
  const tail = removeUnused({ ...graph, nodes });
  const { users } = indexGraph(tail);
  const isOutput = new Set(graph.outputs.map(({ name }) => name));
  const isRead = (name: string): boolean => users(name).length > 0 || isOutput.has(name);
  const taken = describeValues(graph, [...cut]).map((info) =>
    info.type ? info : { ...info, type: tensorValue(info.name, valueDtype(graph, info.name)).type! },
  );
  const inputs = [
    ...taken.filter(({ name }) => isRead(name)),
    ...graph.inputs.filter(({ name }) => isRead(name)),
  ];
  return {
    backbone,
    tail: removeUnusedFunctions({ ...model, graph: { ...tail, inputs } }),
  };
}
