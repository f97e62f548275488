/** Which nodes a gradient passes on its way from a value to the loss, and which of them have no rule. */
import { GraftError } from '../errors.js';
import { indexGraph, valuesRead } from '../onnx/graph-index.js';
import type { Graph, Node } from '../onnx/ir.js';
import type { GradientRule } from './gradient-rule.js';

export type RuleTable = (node: Node) => GradientRule | undefined;

/** The rules by domain and operator; a later one replaces an earlier one. */
export function tabulateRules(rules: readonly GradientRule[]): RuleTable {
  const table = new Map<string, GradientRule>();
  for (const rule of rules)
    for (const opType of rule.opTypes) table.set(`${rule.domain ?? ''}:${opType}`, rule);
  return ({ domain, opType }) => table.get(`${domain === 'ai.onnx' ? '' : domain}:${opType}`);
}

/** The inputs of a node that a gradient may reach. Where there is no rule it might be any, also from a subgraph. */
function differentiableInputs(node: Node, ruleOf: RuleTable): readonly string[] {
  const rule = ruleOf(node);
  if (!rule) return [...valuesRead(node)];
  const indices = differentiableIndices(node, rule);
  return node.inputs.filter((input, i) => input !== '' && indices.includes(i));
}

export function differentiableIndices(node: Node, { differentiable }: GradientRule): readonly number[] {
  if (differentiable === 'all') return node.inputs.map((_, i) => i);
  return typeof differentiable === 'function' ? differentiable(node) : differentiable;
}

export interface GradientPath {
  /** In the order of the graph. */
  readonly nodes: readonly Node[];
  /** Values that depend on a parameter and lead to the loss, with both ends. */
  readonly values: ReadonlySet<string>;
}

/** Everything between `from` and `to` along differentiable edges. */
export function findGradientPath(
  graph: Pick<Graph, 'nodes'>,
  from: readonly string[],
  to: readonly string[],
  ruleOf: RuleTable,
): GradientPath {
  const dependent = new Set(from);
  const candidates = graph.nodes.filter((node) => {
    if (!differentiableInputs(node, ruleOf).some((input) => dependent.has(input))) return false;
    for (const output of node.outputs) if (output !== '') dependent.add(output);
    return true;
  });
  const leading = new Set(to);
  const nodes = candidates.toReversed().filter((node) => {
    if (!node.outputs.some((output) => leading.has(output))) return false;
    for (const input of differentiableInputs(node, ruleOf)) leading.add(input);
    return true;
  });
  const values = new Set([...dependent].filter((value) => leading.has(value)));
  return { nodes: nodes.reverse(), values };
}

/** Values of `candidates` from which a gradient path leads to one of `to`. */
export function reaching(
  graph: Graph,
  candidates: Iterable<string>,
  to: readonly string[],
  ruleOf: RuleTable,
): string[] {
  const leading = new Set(to);
  for (const node of graph.nodes.toReversed()) {
    if (!node.outputs.some((output) => leading.has(output))) continue;
    for (const input of differentiableInputs(node, ruleOf)) leading.add(input);
  }
  return [...candidates].filter((value) => leading.has(value));
}

/** The nodes without a gradient rule between `value` and `to` (default: the graph's outputs). */
function nodesWithoutRule(
  graph: Graph,
  from: readonly string[],
  to: readonly string[],
  ruleOf: RuleTable,
): Node[] {
  return findGradientPath(graph, from, to, ruleOf).nodes.filter((node) => !ruleOf(node));
}

/** The values from which a node without a gradient rule lies on the way to `to`. */
export function untrainableValues(
  graph: Pick<Graph, 'nodes'>,
  to: readonly string[],
  ruleOf: RuleTable,
): ReadonlySet<string> {
  const leading = new Set(to);
  const obstructed = new Set<string>();
  for (const node of graph.nodes.toReversed()) {
    if (!node.outputs.some((output) => leading.has(output))) continue;
    const stops = !ruleOf(node) || node.outputs.some((output) => obstructed.has(output));
    for (const input of differentiableInputs(node, ruleOf)) {
      leading.add(input);
      if (stops) obstructed.add(input);
    }
  }
  return obstructed;
}

/**
 * The first value of the graph that all data passes on its way to the loss, and behind which every operator has a
 * rule: the most that can be trained. Undefined where there is none. Inputs that are parameters are no data.
 */
function latestDifferentiableLayer(
  graph: Graph,
  loss: string,
  ruleOf: RuleTable,
  parameters: readonly string[] = [],
): string | undefined {
  const layers = bottlenecks(graph, loss, ruleOf, new Set(parameters));
  // What lies behind a bottleneck lies behind all earlier ones too, so the good ones are at the end.
  let [low, high] = [0, layers.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (nodesWithoutRule(graph, [layers[middle]!], [loss], ruleOf).length === 0) high = middle;
    else low = middle + 1;
  }
  const found = layers[low];
  return found === loss ? undefined : found;
}

/** Computed values that every path from the graph's inputs to the loss goes through, in order: its dominators. */
function bottlenecks(
  graph: Graph,
  loss: string,
  ruleOf: RuleTable,
  parameters: ReadonlySet<string>,
): string[] {
  const sources = graph.inputs
    .map(({ name }) => name)
    .filter((name) => !graph.initializers.has(name) && !parameters.has(name));
  const depth = new Map<string, number>(sources.map((name) => [name, 0]));
  /** The nearest value that all paths to a value go through; '' is the outside. */
  const dominator = new Map<string, string>();
  const above = (value: string): string => dominator.get(value) ?? '';
  const meet = (a: string, b: string): string => {
    let [left, right] = [a, b];
    while (left !== right) {
      if ((depth.get(left) ?? -1) >= (depth.get(right) ?? -1)) left = above(left);
      else right = above(right);
    }
    return left;
  };
  for (const node of graph.nodes) {
    const data = differentiableInputs(node, ruleOf).filter((input) => depth.has(input));
    if (data.length === 0) continue;
    const nearest = data.reduce(meet);
    for (const output of node.outputs) {
      if (output === '') continue;
      dominator.set(output, nearest);
      depth.set(output, (depth.get(nearest) ?? -1) + 1);
    }
  }
  const chain: string[] = [];
  for (let value = loss; value !== ''; value = above(value)) chain.push(value);
  const { producer } = indexGraph(graph);
  return chain.reverse().filter((value) => producer(value) !== undefined);
}

/** Why the gradient stops at each node that is in the way: '' where its operator has no rule at all. */
export type Refusals = ReadonlyMap<Node, string>;

/** The one refusal: every operator in the way, and from where on there is none. */
export function refuse(
  graph: Graph,
  refusals: Refusals,
  { loss, ruleOf, parameters }: { loss: string; ruleOf: RuleTable; parameters: readonly string[] },
): never {
  const lines = [...refusals].map(([{ opType, domain, name, outputs }, reason]) => {
    const shown = domain === '' || domain === 'ai.onnx' ? opType : `${domain}.${opType}`;
    return `  ${reason || `${shown} "${name || outputs[0]}"`}`;
  });
  const withoutRefused: RuleTable = (node) => (refusals.has(node) ? undefined : ruleOf(node));
  const layer = latestDifferentiableLayer(graph, loss, withoutRefused, parameters);
  const count = refusals.size;
  throw new GraftError(
    'NO_GRADIENT_RULE',
    [
      `${count} ${count === 1 ? 'node' : 'nodes'} between the parameters and the loss "${loss}" ` +
        `${count === 1 ? 'has' : 'have'} no gradient rule:`,
      ...lines,
      layer === undefined
        ? 'No layer lies behind all of them. Add rules in src/autodiff/rules.'
        : `Everything after "${layer}" can be differentiated: begin there, or add rules in src/autodiff/rules.`,
    ].join('\n'),
  );
}
