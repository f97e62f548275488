import { indexGraph } from '../onnx/graph-index.js';
import { type Graph, type Model, tensorValue, type ValueInfo } from '../onnx/ir.js';
import { assertValueExists } from './assert-value-exists.js';
import { removeUnused } from './remove-unused.js';
import { removeUnusedFunctions } from './remove-unused-functions.js';
import { factsOf } from './value-facts.js';

/**
 * The part of the model that computes `outputs`, which become its outputs. Inputs and functions that it no longer needs
 * are dropped; what subgraphs take from around them stays.
 * @throws GraftError UNKNOWN_VALUE for a name that no node computes, or only one inside a subgraph.
 */
export function cutModel(model: Model, outputs: readonly string[]): Model {
  for (const name of outputs) assertValueExists(model, name);
  const wanted = [...new Set(outputs)];
  const described = describeValues(model.graph, wanted);
  const graph = removeUnused({ ...model.graph, outputs: described });
  const { users } = indexGraph(graph);
  const inputs = graph.inputs.filter(({ name }) => users(name).length > 0);
  // What is an output now is no inner value any more.
  const valueInfo = new Map([...graph.valueInfo].filter(([name]) => !wanted.includes(name)));
  return removeUnusedFunctions({ ...model, graph: { ...graph, inputs, valueInfo } });
}

/** What the graph says of the values' types; no type where it says nothing, which ONNX Runtime then infers. */
export function describeValues(graph: Graph, names: readonly string[]): ValueInfo[] {
  const facts = factsOf(graph);
  return names.map((name) => {
    const declared = graph.outputs.find((output) => output.name === name) ?? graph.valueInfo.get(name);
    if (declared?.type) return declared;
    const dtype = facts.dtypeOf(name);
    return dtype ? tensorValue(name, dtype) : { name, docString: '', metadata: new Map() };
  });
}
