/** Which values of a graph carry the example's own data, as against constants, shapes and masks. */
import { valuesRead } from '../onnx/graph-index.js';
import type { Graph, Node } from '../onnx/ir.js';
import { sizeOf } from '../tensor/shape.js';

export interface DataFlow {
  readonly graph: Graph;
  readonly sources: readonly string[];
  /** Whether the value is computed from no input at all: a weight, however it is decoded. */
  isConstant(value: string): boolean;
  /** Whether the value is computed from the data of `sources`. */
  carries(value: string): boolean;
  /** The values through which data enters the node, in the order of its inputs. */
  inputs(node: Node): readonly string[];
  /** The values that leave the node with data in them. */
  outputs(node: Node): readonly string[];
  /** The node that computes a value that carries data. */
  producer(value: string): Node | undefined;
  /** The nodes that read the value as data. */
  users(value: string): readonly Node[];
  /** Which node of the graph gives the value, data or not: its index; -1 for none. */
  order(value: string): number;
}

/** What they give tells of the data (its shape, which tokens are padding) without being it. */
const notData: ReadonlySet<string> = new Set([
  'Shape',
  'Size',
  'Equal',
  'Less',
  'LessOrEqual',
  'Greater',
  'GreaterOrEqual',
  'Not',
  'And',
  'Or',
  'Xor',
  'IsNaN',
  'IsInf',
  'ArgMax',
  'ArgMin',
  'NonZero',
  'ConstantOfShape',
  'EyeLike',
]);

/**
 * Follows the data of the inputs `sources` through the graph. Other inputs count as constants.
 * @param mixing - nodes that no example's own data leaves
 */
export function traceData(
  graph: Graph,
  sources: readonly string[],
  mixing: ReadonlySet<Node> = new Set(),
): DataFlow {
  const carrying = new Set(sources);
  const varying = new Set(
    graph.inputs.map(({ name }) => name).filter((name) => !graph.initializers.has(name)),
  );
  const entering = new Map<Node, readonly string[]>();
  const producers = new Map<string, Node>();
  const users = new Map<string, Node[]>();
  const order = new Map<string, number>();
  for (const [i, node] of graph.nodes.entries()) {
    for (const output of node.outputs) order.set(output, i);
    if ([...valuesRead(node)].some((name) => varying.has(name))) {
      for (const output of node.outputs) varying.add(output);
    }
    if ((notData.has(node.opType) && !isOneHot(node, graph)) || mixing.has(node)) continue;
    const inputs = [...valuesRead(node)].filter((name) => carrying.has(name));
    if (inputs.length === 0) continue;
    entering.set(node, inputs);
    for (const input of inputs) {
      const known = users.get(input);
      if (known) known.push(node);
      else users.set(input, [node]);
    }
    for (const output of dataOutputs(node)) {
      carrying.add(output);
      producers.set(output, node);
    }
  }
  const none: readonly never[] = [];
  return {
    graph,
    sources,
    isConstant: (value) => value !== '' && !varying.has(value),
    carries: (value) => carrying.has(value),
    inputs: (node) => entering.get(node) ?? none,
    outputs: (node) => (entering.has(node) ? dataOutputs(node) : none),
    producer: (value) => producers.get(value),
    users: (value) => users.get(value) ?? none,
    order: (value) => order.get(value) ?? -1,
  };
}

/** The second output of EmbedLayerNormalization counts what the mask keeps. */
function dataOutputs({ opType, outputs }: Node): readonly string[] {
  return outputs.filter((name, i) => name !== '' && !(opType === 'EmbedLayerNormalization' && i === 1));
}

/** Ids beside every id that there is, as a one-hot encoding compares them; a mask compares with a single one. */
function isOneHot({ opType, inputs }: Node, { initializers }: Graph): boolean {
  return opType === 'Equal' && inputs.some((name) => sizeOf(initializers.get(name)?.dims ?? []) > 1);
}

/** Every value of the flow that `from` leads to, itself included. */
export function descendants(flow: DataFlow, from: Iterable<string>): Set<string> {
  const found = new Set(from);
  if (found.size === 0) return found;
  for (const node of flow.graph.nodes) {
    if (!flow.inputs(node).some((input) => found.has(input))) continue;
    for (const output of flow.outputs(node)) found.add(output);
  }
  return found;
}

/** Every value of the flow that leads to `to`, itself included. */
export function ancestors(flow: DataFlow, to: Iterable<string>): Set<string> {
  const found = new Set<string>();
  const pending = [...to];
  for (let value = pending.pop(); value !== undefined; value = pending.pop()) {
    if (found.has(value)) continue;
    found.add(value);
    const producer = flow.producer(value);
    if (producer) for (const input of flow.inputs(producer)) pending.push(input);
  }
  return found;
}

/** The outputs of the nodes of which `holds` is true, which may depend on the values that were found before: its inputs. */
export function propagate(
  flow: DataFlow,
  holds: (node: Node, inputs: readonly string[], found: ReadonlySet<string>) => boolean,
): ReadonlySet<string> {
  const found = new Set<string>();
  for (const node of flow.graph.nodes) {
    if (holds(node, flow.inputs(node), found)) for (const output of flow.outputs(node)) found.add(output);
  }
  return found;
}

/** Whether one of the values is made of another one. */
export function isAnyMadeOfAnother(flow: DataFlow, values: readonly string[]): boolean {
  const among = new Set(values);
  // Nothing before the first of them is made of any.
  let first = Infinity;
  for (const value of values) first = Math.min(first, flow.order(value));
  const inputsOf = (value: string): readonly string[] => {
    const producer = flow.producer(value);
    return producer ? flow.inputs(producer) : [];
  };
  const before = new Set(values.flatMap(inputsOf));
  for (const value of before) {
    if (among.has(value)) return true;
    if (flow.order(value) > first) for (const input of inputsOf(value)) before.add(input);
  }
  return false;
}

/** @returns how many of `ends` a value leads to, itself included */
export function countEnds(flow: DataFlow, ends: readonly string[]): (value: string) => number {
  const ids = new Map<string, number>();
  const idOf = (value: string): number => {
    const id = ids.get(value) ?? ids.size;
    ids.set(value, id);
    return id;
  };
  const endIds = ends.map(idOf);
  const backwards = flow.graph.nodes
    .map((node) => ({ inputs: flow.inputs(node).map(idOf), outputs: flow.outputs(node).map(idOf) }))
    .reverse();
  const counts = new Uint32Array(ids.size);
  const reached = new Int32Array(ids.size);
  // One pass for as many ends as a number has bits: a set of what leads to each end takes as many passes as there are ends.
  for (let start = 0; start < ends.length; start += 32) {
    reached.fill(0);
    for (const [bit, id] of endIds.slice(start, start + 32).entries()) reached[id]! |= 1 << bit;
    for (const { inputs, outputs } of backwards) {
      let bits = 0;
      for (const id of outputs) bits |= reached[id]!;
      for (const id of inputs) reached[id]! |= bits;
    }
    for (let id = 0; id < reached.length; id++) counts[id]! += countBits(reached[id]!);
  }
  return (value) => counts[ids.get(value) ?? -1] ?? 0;
}

function countBits(bits: number): number {
  let count = 0;
  for (let rest = bits; rest !== 0; rest &= rest - 1) count++;
  return count;
}
