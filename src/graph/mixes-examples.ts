import { intAttribute, intsAttribute, subgraphs } from '../onnx/attributes.js';
import { valuesRead } from '../onnx/graph-index.js';
import type { Graph, Model, Node } from '../onnx/ir.js';
import { isFloat } from '../tensor/dtype.js';
import { isOfKnownSizes } from './fixed-conditions.js';
import { factsOf, noFacts, type ValueFacts } from './value-facts.js';

/** They choose one scale for a whole tensor while they run, so that an example's numbers depend on its neighbours. */
const scaling = new Set(['DynamicQuantizeLinear', 'DynamicQuantizeMatMul', 'DynamicQuantizeLSTM']);

export type Mixing = 'scale' | 'branch' | 'rounds' | 'reduction';

/**
 * Whether, and how, examples of one batch change each other's numbers: then they are to be run one at a time.
 *
 * - scale: one is chosen for all;
 * - branch, rounds: an If that is still open, and a Loop that ends by what it is fed, do the same for all of a batch, whichever of them
 *   decided it;
 * - reduction: a mean, a largest value or the like of the whole tensor.
 */
export function mixesExamples({ graph, functions }: Model): Mixing | undefined {
  const nodes = [...graph.nodes, ...functions.flatMap((definition) => definition.nodes)];
  const isScaling = (node: Node): boolean =>
    scaling.has(node.opType) || subgraphs(node).some((body: Graph) => body.nodes.some(isScaling));
  if (nodes.some(isScaling)) return 'scale';
  const fed = graph.inputs.filter(({ name }) => !graph.initializers.has(name));
  // Sizes count only where no size but the batch's is free, as lengths of texts are the same for all of a batch.
  const scope = {
    isFed: () => false,
    facts: noFacts,
    countsSizes: fed.every(isOfKnownSizes),
    fedInputs: new Map<Graph, Set<string>>(),
  };
  return follow(graph, fed.map(({ name }) => name), scope).mixing; // prettier-ignore
}

/** What a graph sees of those around it. */
interface Scope {
  /** Whether a value depends on what the model is fed. */
  isFed(value: string): boolean;
  readonly facts: ValueFacts;
  readonly countsSizes: boolean;
  /**
   * Inputs of bodies that depend on what the model is fed, as far as they are known: a body is gone through again for each that
   * is found around it, and would begin anew each time, twice as often for each loop in a loop.
   */
  readonly fedInputs: Map<Graph, Set<string>>;
}

interface Followed {
  readonly mixing?: Mixing | undefined;
  isFed(value: string): boolean;
}

/** @param fed - inputs of the graph that depend on what the model is fed */
function follow(graph: Graph, fed: readonly string[], outer: Scope): Followed {
  const found = new Set(fed);
  const isFed = (value: string): boolean => found.has(value) || outer.isFed(value);
  const scope = { ...outer, isFed, facts: factsOf(graph, outer.facts) };
  let mixing: Mixing | undefined;
  for (const node of graph.nodes) {
    const { opType, domain, outputs } = node;
    const isSize = domain === '' && (opType === 'Shape' || opType === 'Size');
    if ((isSize && !scope.countsSizes) || ![...valuesRead(node)].some(isFed)) continue;
    mixing = firstNamed(mixing, mixingOf(node, scope));
    for (const output of outputs) found.add(output);
  }
  return { mixing, isFed };
}

/** A number of a whole tensor may be there to choose a branch by. */
function firstNamed(one: Mixing | undefined, other: Mixing | undefined): Mixing | undefined {
  return one === undefined || one === 'reduction' ? (other ?? one) : one;
}

function mixingOf(node: Node, scope: Scope): Mixing | undefined {
  const { opType, domain, inputs } = node;
  if (domain !== '') return undefined;
  if (opType === 'If' && scope.isFed(inputs[0]!)) return 'branch';
  if (opType === 'Loop' || opType === 'Scan') return mixingOfRounds(node, scope);
  if (reducesAll(node, scope.facts)) return 'reduction';
  let mixing: Mixing | undefined;
  for (const body of subgraphs(node)) mixing = firstNamed(mixing, follow(body, [], scope).mixing);
  return mixing;
}

/** Of a Loop and a Scan: what one round makes of what it is fed, the next is fed too. */
function mixingOfRounds({ opType, inputs, attributes }: Node, scope: Scope): Mixing | undefined {
  const body = attributes.get('body');
  if (body?.kind !== 'graph') return undefined;
  // A Loop's first two inputs are how often it runs, and whether at all; its body gives whether to go on.
  const isLoop = opType === 'Loop';
  if (isLoop && inputs.slice(0, 2).some(scope.isFed)) return 'rounds';
  const fed = scope.fedInputs.get(body.value) ?? new Set<string>();
  scope.fedInputs.set(body.value, fed);
  body.value.inputs.forEach(({ name }, i) => {
    if (scope.isFed(inputs[i] ?? '')) fed.add(name);
  });
  let found: Mixing | undefined;
  for (let known = -1; known < fed.size;) {
    known = fed.size;
    const { mixing, isFed } = follow(body.value, [...fed], scope);
    found = firstNamed(found, mixing);
    if (isLoop && isFed(body.value.outputs[0]?.name ?? '')) return 'rounds';
    // States come in the same order out of a body as they go in, in a Loop behind the number of the round.
    body.value.inputs.slice(isLoop ? 1 : 0).forEach(({ name }, i) => {
      if (isFed(body.value.outputs[i]?.name ?? '')) fed.add(name);
    });
  }
  return found;
}

/** Whether a node makes one number of a whole tensor of floats, the batch included. */
function reducesAll(node: Node, { dtypeOf, rankOf, constantOf }: ValueFacts): boolean {
  const [data = '', axesInput = ''] = node.inputs;
  const dtype = dtypeOf(data);
  if (!node.opType.startsWith('Reduce') || (dtype !== undefined && !isFloat(dtype))) return false;
  const constant = axesInput === '' ? undefined : constantOf(axesInput);
  const axes = intsAttribute(node, 'axes') ?? (constant && Array.from(constant.data, Number));
  if (axes?.length) return axes.length === rankOf(data);
  return axesInput === '' || constant ? intAttribute(node, 'noop_with_empty_axes', 0) === 0 : false;
}
