import { intAttribute } from '../onnx/attributes.js';
import type { Graph, Node } from '../onnx/ir.js';
import { batchAxes } from './batch-axes.js';
import type { Shapes } from './value-layout.js';

/**
 * The recurrent layers that take the examples as the steps of one sequence, as detectors of speech do with windows of
 * sound: what leaves them is not made of one example.
 */
export function recurrencesOverBatch(graph: Graph, shapes: Shapes): Set<Node> {
  const recurrent = graph.nodes.filter(({ opType }) => ['LSTM', 'GRU', 'RNN'].includes(opType));
  if (recurrent.length === 0) return new Set();
  const axes = batchAxes(graph, shapes);
  return new Set(
    recurrent.filter((node) => {
      const steps = intAttribute(node, 'layout', 0) === 0 ? 0 : 1;
      return axes.get(node.inputs[0]!)?.axis === steps;
    }),
  );
}
