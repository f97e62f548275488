import type { Graph } from '../onnx/ir.js';
import type { GradientRule } from './gradient-rule.js';
import { tabulateRules, untrainableValues } from './reachability.js';
import { rules as allRules } from './rules/index.js';

/**
 * Whether what follows a value can be trained: every operator between it and `to` has a gradient rule.
 * @param to - values where the new head or the loss stands; default: the graph's outputs
 */
export function trainableFromHere(
  graph: Graph,
  value: string,
  to: readonly string[] = graph.outputs.map(({ name }) => name),
  rules: readonly GradientRule[] = allRules,
): boolean {
  return !untrainableValues(graph, to, tabulateRules(rules)).has(value);
}

/** The same for many values. */
export function untrainable(graph: Graph, to: readonly string[]): ReadonlySet<string> {
  return untrainableValues(graph, to, tabulateRules(allRules));
}
