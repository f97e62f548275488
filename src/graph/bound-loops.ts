/**
 * Ends loops that would go on forever, which cannot be told before they run, and cannot be stopped while they do:
 *
 *   Loop { (i, c, …) → d, … }  becomes  Loop { (i, c, …) → And(d, Gather([true], i / rounds)), … }
 *
 * Gather gives true, and fails in the round after the last one.
 */
import { subgraphs } from '../onnx/attributes.js';
import { GraphBuilder } from '../onnx/graph-builder.js';
import type { Graph, Model, Node } from '../onnx/ir.js';
import { checked, int64 } from '../tensor/tensor.js';
import { guardName } from './loop-guard.js';
import { assertEnds, countRuns, mostRounds } from './loop-rounds.js';
import { namesOf } from './names-of.js';
import { mapSubgraphs } from './rename-graph.js';
import { factsOf, noFacts, type ValueFacts } from './value-facts.js';

/** Rounds of a loop of one node, which take a second or so; of a larger one as many fewer, but not below `fewestRounds`. */
const roundsOfOne = 1_000_000;
const fewestRounds = 10_000;

/**
 * The model, to be tried, with an end to every loop; the same where none needs one.
 * @throws GraftError UNSUPPORTED_MODEL as `assertEnds`
 */
export function boundLoops(model: Model): Model {
  const { graph } = model;
  if (!graph.nodes.some((node) => subgraphs(node).length > 0)) return model;
  assertEnds(graph);
  const { values, nodes } = namesOf(graph);
  const builder = new GraphBuilder({ taken: [...values, ...nodes] });
  const bounded = inGraph(graph, noFacts, builder);
  // A guard is made of constants.
  if (builder.initializers.size === 0) return model;
  // The bodies see the constants of the graph around them.
  return {
    ...model,
    graph: { ...bounded, initializers: new Map([...graph.initializers, ...builder.initializers]) },
  };
}

function inGraph(graph: Graph, outer: ValueFacts, builder: GraphBuilder): Graph {
  const facts = factsOf(graph, outer);
  const nodes = graph.nodes.map((node) => {
    const isLoop = node.opType === 'Loop' && node.domain === '';
    const isOpen = isLoop && mostRounds(node, facts) > roundsOfOne;
    const attributes = mapSubgraphs(node.attributes, (body) => {
      const inside = inGraph(body, facts, builder);
      return isOpen ? guarded(inside, node, builder) : inside;
    });
    return { ...node, attributes };
  });
  return { ...graph, nodes };
}

function guarded(body: Graph, { name, outputs }: Node, b: GraphBuilder): Graph {
  const [round] = body.inputs;
  const [condition, ...others] = body.outputs;
  const rounds = Math.max(fewestRounds, Math.floor(roundsOfOne / countRuns(body)));
  const tries = b.op('Div', [round!.name, b.shared(`graft/rounds/${rounds}`, int64([], [rounds]))]);
  // The number of the round may have an axis, and the condition none.
  const index = b.op('Reshape', [tries, b.shared('graft/scalar', int64([0], []))]);
  const isTried = b.op('Gather', [b.shared('graft/true', checked('bool', [1], Uint8Array.of(1))), index], {
    name: guardName(name || outputs.find((output) => output !== '')!, rounds),
  });
  const goesOn = b.op('And', [condition!.name, isTried]);
  const nodes = [...body.nodes, ...b.nodes.splice(0)];
  return { ...body, nodes, outputs: [{ ...condition!, name: goesOn }, ...others] };
}
