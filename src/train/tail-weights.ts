import { findGradientPath, tabulateRules } from '../autodiff/reachability.js';
import { rules } from '../autodiff/rules/index.js';
import { weightsOf } from '../graph/weight-operands.js';
import type { Graph } from '../onnx/ir.js';
import type { Tail } from './tail.js';

/**
 * Names of the weights that training moves, nearest the cut first: those of nodes that the activations pass, or a table of
 * learned positions. A row of numbers that meets positions alone is none, as the frequencies of rotary positions.
 * @param graph - the tail's, or one that it is a part of
 */
export function tailWeights(
  { model, crossing, output, frozenWeights }: Tail,
  graph: Graph = model.graph,
): string[] {
  const cut = crossing.map(({ name }) => name);
  const tables = [...graph.initializers.values()].filter(
    ({ dtype, dims }) => dtype === 'float32' && dims.filter((size) => size !== 1).length > 1,
  );
  const from = [...cut, ...tables.map(({ name }) => name)];
  const { nodes } = findGradientPath(graph, from, [output], tabulateRules(rules));
  return weightsOf(graph, nodes).filter((name) => !frozenWeights?.has(name));
}
