/** How often the bodies of loops run, where that is known before the model runs. */
import { GraftError } from '../errors.js';
import { subgraphs } from '../onnx/attributes.js';
import type { Graph, Node } from '../onnx/ir.js';
import { describeNode } from '../onnx/validate-model.js';
import { factsOf, noFacts, type ValueFacts } from './value-facts.js';

/** Runs of nodes in loops that one run of a model may come to: some minutes, in which ONNX Runtime cannot be stopped. */
const mostRuns = 100_000_000;

/**
 * Rounds of a Loop whose number is a constant and that no round can end; Infinity where there is no number either.
 * Undefined where that is not known.
 */
export function countRounds({ opType, domain, inputs, attributes }: Node, facts: ValueFacts): number | undefined {
  const body = attributes.get('body');
  if (opType !== 'Loop' || domain !== '' || body?.kind !== 'graph') return undefined;
  const [trips = '', condition = ''] = inputs;
  if (condition !== '' && !isTrue(condition, facts)) return undefined;
  if (!goesOn(body.value, facts)) return undefined;
  if (trips === '') return Number.POSITIVE_INFINITY;
  const count = facts.constantOf(trips)?.data[0];
  return count === undefined ? undefined : Math.max(0, Number(count));
} // prettier-ignore

/** The rounds that a Loop comes to at most; Infinity where nothing but its condition, or a number that is computed, ends it. */
export function mostRounds({ inputs: [trips = ''] }: Node, { constantOf }: ValueFacts): number {
  return Number(constantOf(trips)?.data[0] ?? Number.POSITIVE_INFINITY);
}

/** Runs of nodes that one run of a graph comes to, its subgraphs included; rounds that are not known count as one. */
export function countRuns(graph: Graph, outer: ValueFacts = noFacts): number {
  let runs = graph.nodes.length;
  if (!graph.nodes.some(hasSubgraph)) return runs;
  const facts = factsOf(graph, outer);
  for (const node of graph.nodes) {
    const rounds = countRounds(node, facts) ?? 1;
    for (const body of subgraphs(node)) if (rounds > 0) runs += rounds * Math.max(1, countRuns(body, facts));
  }
  return runs;
}

/**
 * @throws GraftError UNSUPPORTED_MODEL for a loop that never ends, or not in any time that one would wait. One that ends by what
 * it computes cannot be told beforehand.
 */
export function assertEnds(graph: Graph): void {
  if (!graph.nodes.some(hasSubgraph) || countRuns(graph) <= mostRuns) return;
  const { node, rounds } = longest(graph, noFacts)!;
  const [what, remedy] = Number.isFinite(rounds)
    ? [`takes ${rounds.toLocaleString('en')} rounds`, 'fewer rounds']
    : ['never ends: it has no number of rounds, and its condition stays true', 'a number of rounds'];
  throw new GraftError(
    'UNSUPPORTED_MODEL',
    `${describeNode(node)} ${what}. With all it holds, one run of the model takes more than ${mostRuns.toLocaleString('en')} ` +
      `steps; export it with ${remedy}.`,
  );
}

/** The loop of most rounds, at any depth. */
function longest(graph: Graph, outer: ValueFacts): { readonly node: Node; readonly rounds: number } | undefined {
  const facts = factsOf(graph, outer);
  let most: { readonly node: Node; readonly rounds: number } | undefined;
  for (const node of graph.nodes) {
    const own = { node, rounds: countRounds(node, facts) ?? 0 };
    for (const found of [own, ...subgraphs(node).map((body) => longest(body, facts))])
      if (found && found.rounds > (most?.rounds ?? 0)) most = found;
  }
  return most;
} // prettier-ignore

const hasSubgraph = (node: Node): boolean => subgraphs(node).length > 0;

const isTrue = (value: string, { constantOf }: ValueFacts): boolean =>
  Number(constantOf(value)?.data[0] ?? 0) !== 0;

/** Whether the body hands its condition on, or gives true. */
function goesOn(body: Graph, outer: ValueFacts): boolean {
  const condition = body.inputs[1]?.name;
  const facts = factsOf(body, outer);
  let value = body.outputs[0]?.name ?? '';
  for (let steps = 0; steps < 16; steps++) {
    if (value === condition || isTrue(value, facts)) return true;
    const maker = body.nodes.find(({ outputs }) => outputs.includes(value));
    if (maker?.opType !== 'Identity') return false;
    value = maker.inputs[0]!;
  }
  return false;
}
