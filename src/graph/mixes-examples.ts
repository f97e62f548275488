import { subgraphs } from '../onnx/attributes.js';
import { indexGraph, valuesRead } from '../onnx/graph-index.js';
import type { Graph, Model, Node } from '../onnx/ir.js';
import { isOfKnownSizes } from './fixed-conditions.js';

/** They choose one scale for a whole tensor while they run, so that an example's numbers depend on its neighbours. */
const scaling = new Set(['DynamicQuantizeLinear', 'DynamicQuantizeMatMul', 'DynamicQuantizeLSTM']);

/**
 * Whether, and how, examples of one batch change each other's numbers: then they are to be run one at a time. A branch that is
 * still open is taken by all of a batch, whichever of them decided it.
 */
export function mixesExamples({ graph, functions }: Model): 'scale' | 'branch' | undefined {
  const nodes = [...graph.nodes, ...functions.flatMap((definition) => definition.nodes)];
  const isScaling = (node: Node): boolean =>
    scaling.has(node.opType) || subgraphs(node).some((body: Graph) => body.nodes.some(isScaling));
  if (nodes.some(isScaling)) return 'scale';
  return graph.nodes.some((node) => isBranching(node, graph)) ? 'branch' : undefined;
}

/**
 * Whether the node chooses a branch by what is fed; by its sizes only where no size but the batch's is free, as lengths of texts
 * are the same for all of a batch.
 */
function isBranching({ opType, domain, inputs }: Node, graph: Graph): boolean {
  if (opType !== 'If' || domain !== '') return false;
  const { producer } = indexGraph(graph);
  const fed = graph.inputs.filter(({ name }) => !graph.initializers.has(name));
  const hasFreeSizes = !fed.every(isOfKnownSizes);
  const seen = new Set<string>();
  const pending = [inputs[0]!];
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (seen.has(name)) continue;
    seen.add(name);
    if (fed.some((input) => input.name === name)) return true;
    const node = producer(name);
    if (!node || (hasFreeSizes && /^(Shape|Size)$/.test(node.opType))) continue;
    pending.push(...valuesRead(node));
  }
  return false;
}
