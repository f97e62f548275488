import { subgraphs } from '../onnx/attributes.js';
import type { FunctionDefinition, Model, Node } from '../onnx/ir.js';

/** The model without functions that no node calls, be it from a subgraph or another function. */
export function removeUnusedFunctions(model: Model): Model {
  if (model.functions.length === 0) return model;
  const definitions = new Map(
    model.functions.map((row) => [`${row.domain}:${row.name}:${row.overload}`, row]),
  );
  const called = new Set<FunctionDefinition>();
  const visit = (node: Node): void => {
    const definition = definitions.get(`${node.domain}:${node.opType}:${node.overload}`);
    if (definition && !called.has(definition)) {
      called.add(definition);
      definition.nodes.forEach(visit);
    }
    for (const body of subgraphs(node)) body.nodes.forEach(visit);
  };
  model.graph.nodes.forEach(visit);
  return { ...model, functions: model.functions.filter((row) => called.has(row)) };
}
