import type { Model } from '../onnx/ir.js';

/** The model with intermediate values as further outputs; ONNX Runtime infers the types that the file does not tell. */
export function exposeValues(model: Model, names: readonly string[] | 'all'): Model {
  const { graph } = model;
  const present = new Set(graph.outputs.map(({ name }) => name));
  const wanted = names === 'all' ? graph.nodes.flatMap(({ outputs }) => outputs) : names;
  const added = [...new Set(wanted)].filter((name) => name !== '' && !present.has(name));
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
