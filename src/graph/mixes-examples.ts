import { subgraphs } from '../onnx/attributes.js';
import type { Graph, Model, Node } from '../onnx/ir.js';

/** They choose one scale for a whole tensor while they run, so that an example's numbers depend on its neighbours. */
const scaling = new Set(['DynamicQuantizeLinear', 'DynamicQuantizeMatMul', 'DynamicQuantizeLSTM']);

/** Whether examples of one batch change each other's numbers: then they are to be run one at a time. */
export function mixesExamples({ graph, functions }: Model): boolean {
  const isMixing = (node: Node): boolean =>
    scaling.has(node.opType) || subgraphs(node).some((body: Graph) => body.nodes.some(isMixing));
  return graph.nodes.some(isMixing) || functions.some(({ nodes }) => nodes.some(isMixing));
}
