import { subgraphs } from '../onnx/attributes.js';
import type { Graph, Node } from '../onnx/ir.js';
import { quoteName } from '../onnx/quote-name.js';
import { normalisesByBatch } from './for-inference.js';

const drawing = /^(Random(Normal|Uniform)(Like)?|Bernoulli|Multinomial)$/;

/** Why an example has no features of its own in a graph, as a sentence without its subject; undefined where it has. */
export function explainOtherEachTime(graph: Graph): string | undefined {
  const reasonOf = (node: Node): string | undefined =>
    normalisesByBatch(node)
      ? `normalises by the examples that are run together (${labelOf(node)} is in training mode)`
      : undefined;
  return firstOf(graph, reasonOf) ?? explainRandom(graph);
}

/** Which node draws random numbers, as `explainOtherEachTime` tells it. */
export function explainRandom(graph: Graph): string | undefined {
  return firstOf(graph, (node) =>
    drawing.test(node.opType) && node.domain === ''
      ? `draws random numbers in every run (${labelOf(node)})`
      : undefined,
  );
}

const labelOf = ({ opType, name, outputs }: Node): string => `${opType} ${quoteName(name || outputs[0]!)}`;

/** The first reason that a node, or one in its bodies, gives. */
function firstOf(graph: Graph, reasonOf: (node: Node) => string | undefined): string | undefined {
  for (const node of graph.nodes) {
    const reason = reasonOf(node);
    if (reason !== undefined) return reason;
    for (const body of subgraphs(node)) {
      const inner = firstOf(body, reasonOf);
      if (inner !== undefined) return inner;
    }
  }
  return undefined;
}

export const exportRemedy = 'Export it for inference: model.eval() before torch.onnx.export.';
