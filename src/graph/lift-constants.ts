import { constantOfNode } from '../onnx/constant-node.js';
import type { Initializer, Model } from '../onnx/ir.js';
import { isFloat } from '../tensor/dtype.js';
import { standingAsWeights } from './weight-operands.js';

/**
 * The same model with the weights that `Constant` nodes hold, as PaddlePaddle's and older exporters write them, as
 * initializers of the same names: only initializers are trained. Other constants, and bodies of nodes, stay as they are.
 */
export function liftConstants(model: Model): Model {
  const { graph } = model;
  const constants = new Map<string, Initializer>();
  for (const node of graph.nodes) {
    const [name] = node.outputs;
    const constant = constantOfNode(node);
    if (constant && isFloat(constant.dtype)) constants.set(name!, { ...constant, name: name! });
  }
  const weights = standingAsWeights(graph, constants);
  if (weights.size === 0) return model;
  const lifted = [...weights].map((name) => [name, constants.get(name)!] as const);
  return {
    ...model,
    graph: {
      ...graph,
      nodes: graph.nodes.filter(({ outputs }) => !weights.has(outputs[0] ?? '')),
      initializers: new Map([...graph.initializers, ...lifted]),
    },
  };
}
