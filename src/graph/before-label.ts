import { indexGraph } from '../onnx/graph-index.js';
import type { DataFlow } from './data-flow.js';

/** They make labels of scores, and move these about. */
const labelling: ReadonlySet<string> = new Set([
  'ArgMax',
  'Greater',
  'GreaterOrEqual',
  'Less',
  'LessOrEqual',
  'Cast',
  'Squeeze',
  'Unsqueeze',
  'Transpose',
  'Identity',
  'Reshape',
  'Gather',
  'ArrayFeatureExtractor',
]);

/** Of an output that gives only the best label, of an example or of each place: what the label was taken from. */
export function beforeLabel(output: string, flow: DataFlow): string | undefined {
  const { producer } = indexGraph(flow.graph);
  let value = output;
  for (let steps = 0; steps < 8 && !flow.carries(value); steps++) {
    const node = producer(value);
    if (!node || !labelling.has(node.opType)) return undefined;
    // A table of labels comes before the one that is looked up.
    value = node.inputs.find((input) => input !== '' && !flow.isConstant(input)) ?? '';
  }
  return flow.carries(value) ? value : undefined;
}

/** The flow with the scores behind labels as outputs too: of a segmenter that gives labels nothing else tells of its maps. */
export function withScores(flow: DataFlow): DataFlow {
  const { graph } = flow;
  const scores = graph.outputs.flatMap(({ name }) =>
    flow.carries(name) ? [] : (beforeLabel(name, flow) ?? []),
  );
  if (scores.length === 0) return flow;
  const outputs = [...new Set(scores)].map((name) => ({ name, docString: '', metadata: new Map() }));
  return { ...flow, graph: { ...graph, outputs: [...graph.outputs, ...outputs] } };
}
