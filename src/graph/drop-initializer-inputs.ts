import type { Model } from '../onnx/ir.js';

/**
 * Takes initializers off the list of inputs, where models of IR version 3 had to have them: as inputs they could be
 * overridden, which keeps ONNX Runtime from folding them.
 */
export function dropInitializerInputs(model: Model): Model {
  const { graph } = model;
  const inputs = graph.inputs.filter(({ name }) => !graph.initializers.has(name));
  return { ...model, irVersion: Math.max(4, model.irVersion), graph: { ...graph, inputs } };
}
