/** Which token a text model itself goes on with at its end. */
import { indexGraph, valuesRead } from '../onnx/graph-index.js';
import type { Graph, Model, Node } from '../onnx/ir.js';
import { scoring } from './ending-operators.js';
import { findTokenInputs } from './find-token-inputs.js';
import type { Pool } from './pool-features.js';
import { listTokenInputs } from './token-inputs.js';

/** Between an output and the token that it is made of: what shapes scores, and dense layers. */
const atEnd: ReadonlySet<string> = new Set([...scoring, 'MatMul', 'Gemm', 'Tanh']);
const takers: ReadonlySet<string> = new Set(['Gather', 'GatherND', 'GatherElements']);
/** `last` finds the place of a token by operators of this set. */
const leastOpset = 12;

/**
 * `last` where an output is made of one token whose place is read off the text: decoders that classify, and text towers, take
 * the last one, which alone has seen all others. Undefined otherwise: a first token is one that training put there, or is not.
 */
export function takenToken({ graph, opsets }: Pick<Model, 'graph' | 'opsets'>): Pool | undefined {
  const tokens = findTokenInputs(graph);
  if (tokens === undefined || (opsets.get('') ?? leastOpset) < leastOpset) return undefined;
  const index = indexGraph(graph);
  const given = new Set(listTokenInputs(tokens).map(({ name }) => name));
  const isOfText = (value: string): boolean => readsOff(value, given, index.producer);
  const takes = ({ opType, inputs }: Node): boolean =>
    takers.has(opType) && isOfText(inputs[1]!) && isOfText(inputs[0]!);
  return graph.outputs.some(({ name }) => endsWith(name, takes, graph, index.producer)) ? 'last' : undefined;
}

/** Whether a value is made of one of `given`, and not of its size alone. */
function readsOff(
  value: string,
  given: ReadonlySet<string>,
  producer: (value: string) => Node | undefined,
): boolean {
  const seen = new Set([value]);
  for (const name of seen) {
    if (given.has(name)) return true;
    const node = producer(name);
    if (node && node.opType !== 'Shape' && node.opType !== 'Size')
      for (const read of valuesRead(node)) seen.add(read);
  }
  return false;
}

function endsWith(
  output: string,
  takes: (node: Node) => boolean,
  { initializers }: Graph,
  producer: (value: string) => Node | undefined,
): boolean {
  const seen = new Set([output]);
  for (const name of seen) {
    const node = producer(name);
    if (!node) continue;
    if (takes(node)) return true;
    if (!atEnd.has(node.opType)) continue;
    // Its data, not the shape or the index that it is told.
    const data = node.inputs.find((input) => input !== '' && !initializers.has(input));
    if (data !== undefined) seen.add(data);
  }
  return false;
}
