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
  for (const node of graph.nodes) {
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
    if (producer) pending.push(...flow.inputs(producer));
  }
  return found;
}
