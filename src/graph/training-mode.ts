import { intAttribute, subgraphs } from '../onnx/attributes.js';
import type { Graph, Node } from '../onnx/ir.js';
import { quoteName } from '../onnx/quote-name.js';
import { factsOf } from './value-facts.js';

const drawing = /^(Random(Normal|Uniform)(Like)?|Bernoulli|Multinomial)$/;

/** Why an example has no features of its own in a graph that was exported for training, as a sentence without its subject; undefined where it has. */
export function explainTrainingMode(graph: Graph): string | undefined {
  const { constantOf } = factsOf(graph);
  const reasonOf = (node: Node): string | undefined => {
    const label = `${node.opType} ${quoteName(node.name || node.outputs[0]!)}`;
    if (node.opType === 'BatchNormalization' && intAttribute(node, 'training_mode', 0) === 1)
      return `normalises by the examples that are run together (${label} has training_mode 1)`;
    if (node.opType === 'Dropout' && Number(constantOf(node.inputs[2] ?? '')?.data[0] ?? 0) !== 0)
      return `leaves out other numbers in every run (${label} has training_mode true)`;
    if (drawing.test(node.opType) && node.domain === '')
      return `draws random numbers in every run (${label})`;
    for (const body of subgraphs(node)) {
      const reason = explainTrainingMode(body);
      if (reason !== undefined) return reason;
    }
    return undefined;
  };
  for (const node of graph.nodes) {
    const reason = reasonOf(node);
    if (reason !== undefined) return reason;
  }
  return undefined;
}

export const trainingRemedy =
  'Export it for inference: model.eval() before torch.onnx.export, without training=TrainingMode.TRAINING.';
