import type { Model } from '../src/onnx/ir.js';

/** The model with intermediate values as further outputs; ONNX Runtime infers the types that the file does not tell. */
export function exposeValues(model: Model, names: readonly string[]): Model {
  const { graph } = model;
  const present = new Set(graph.outputs.map(({ name }) => name));
  const added = [...new Set(names)].filter((name) => !present.has(name));
  return {
    ...model,
    graph: {
      ...graph,
      outputs: [
        ...graph.outputs,
        ...added.map((name) => graph.valueInfo.get(name) ?? { name, docString: '', metadata: new Map() }),
      ],
    },
  };
}
