/** A graph that was exported in training mode as it is meant to be used. */
import { intAttribute } from '../onnx/attributes.js';
import { valuesRead } from '../onnx/graph-index.js';
import type { Graph, Node } from '../onnx/ir.js';
import { factsOf, type ValueFacts } from './value-facts.js';

export interface InferenceGraph {
  readonly graph: Graph;
  /** The operators that were in training mode: BatchNormalization, Dropout. */
  readonly changed: readonly string[];
}

/**
 * BatchNormalization by its running statistics, Dropout that leaves out nothing. What the former tells of a batch is no output
 * any more; where a node reads it, the operator stays as it is.
 */
export function forInference(graph: Graph): InferenceGraph {
  const facts = factsOf(graph);
  const read = new Set(graph.nodes.flatMap((node) => [...valuesRead(node)]));
  const lost = new Set<string>();
  const changed = new Set<string>();
  const nodes = graph.nodes.map((node) => {
    const settled = settle(node, facts, read);
    if (settled === node) return node;
    changed.add(node.opType);
    for (const output of node.outputs) if (!settled.outputs.includes(output)) lost.add(output);
    return settled;
  });
  if (changed.size === 0) return { graph, changed: [] };
  const outputs = graph.outputs.filter(({ name }) => !lost.has(name));
  return { graph: { ...graph, nodes, outputs }, changed: [...changed] };
}

/** Whether it normalises by the examples of a run; before operator set 14, which brought the attribute, the outputs tell. */
export const normalisesByBatch = (node: Node): boolean =>
  node.opType === 'BatchNormalization' &&
  node.domain === '' &&
  (intAttribute(node, 'training_mode', 0) === 1 || node.outputs.slice(1).some((name) => name !== ''));

function settle(node: Node, { constantOf }: ValueFacts, read: ReadonlySet<string>): Node {
  if (node.domain !== '') return node;
  if (normalisesByBatch(node)) {
    if (node.outputs.slice(1).some((name) => read.has(name))) return node;
    const attributes = new Map([...node.attributes].filter(([name]) => name !== 'training_mode'));
    return { ...node, attributes, outputs: node.outputs.slice(0, 1) };
  }
  const training = node.opType === 'Dropout' ? constantOf(node.inputs[2] ?? '') : undefined;
  return training && Number(training.data[0]) !== 0 ? { ...node, inputs: node.inputs.slice(0, 2) } : node;
}
