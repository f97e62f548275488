import { type Model, tensorValue, type ValueInfo } from '../onnx/ir.js';
import { assertValueExists } from './assert-value-exists.js';
import { removeUnused } from './remove-unused.js';

/**
 * The part of the model that computes `outputs`, which become its outputs. Inputs that it no longer needs are dropped.
 * @throws GraftError UNKNOWN_VALUE for a name that no node computes.
 */
export function cutModel(model: Model, outputs: readonly string[]): Model {
  for (const name of outputs) assertValueExists(model, name);
  const graph = removeUnused({ ...model.graph, outputs: outputs.map((name) => describeValue(model, name)) });
  const used = new Set(graph.nodes.flatMap(({ inputs }) => inputs));
  return { ...model, graph: { ...graph, inputs: graph.inputs.filter(({ name }) => used.has(name)) } };
}

/** What the model says of a value's type; float32 of unknown shape where it says nothing. */
export function describeValue({ graph }: Model, name: string): ValueInfo {
  return (
    graph.outputs.find((output) => output.name === name) ??
    graph.valueInfo.get(name) ??
    tensorValue(name, 'float32')
  );
}
