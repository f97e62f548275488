import { subgraphs } from '../onnx/attributes.js';
import type { Graph } from '../onnx/ir.js';
import { quoteName } from '../onnx/quote-name.js';
import type { DataFlow } from './data-flow.js';
import { isClassicalClassifier } from './ending-operators.js';
import { isLinearOperator, linearLayer } from './linear-layer.js';

/** A sentence on why no value of a model is recommended. */
export function explainNoLayers(flow: DataFlow): string {
  const isWeighted = (graph: Graph): boolean =>
    graph.nodes.some(({ opType }) => isLinearOperator(opType)) ||
    graph.nodes.some((node) => subgraphs(node).some(isWeighted));
  const branching = flow.graph.nodes.find(
    (node) => flow.inputs(node).length > 0 && subgraphs(node).some(isWeighted),
  );
  if (branching) {
    return `Its layers lie inside the branches of ${branching.opType} ${quoteName(branching.name)}, where no cut can be made.`;
  }
  const classical = flow.graph.nodes.find(
    (node) => isClassicalClassifier(node) && flow.sources.includes(node.inputs[0] ?? ''),
  );
  if (classical)
    return `Its ${classical.opType} takes the input as it is, so there are no features before the classifier.`;
  const isDense = flow.graph.nodes.some((node) => linearLayer(node, flow) !== undefined);
  return isDense
    ? 'No value of it belongs to one example alone.'
    : 'Nothing in it multiplies data by weights, as dense layers and convolutions do.';
}
