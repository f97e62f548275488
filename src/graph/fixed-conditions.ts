/** Conditions of If nodes that are the same for all examples and batches. */
import { intAttribute } from '../onnx/attributes.js';
import { indexGraph } from '../onnx/graph-index.js';
import type { Graph, Node, ValueInfo } from '../onnx/ir.js';
import { positiveAxis } from '../tensor/shape.js';
import { batchAxes } from './batch-axes.js';
import { factsOf } from './value-facts.js';
import type { Shapes } from './value-layout.js';

/** What they give is another each time, or has a size that depends on data. */
const free = /^(Random|Bernoulli|Multinomial|NonZero|Compress|Unique|NonMaxSuppression|Loop|Scan|If$)/;

/** Conditions that follow from constants, or from sizes that are no batch's. */
export interface FixedConditions {
  /** Of constants alone. */
  readonly constant: readonly string[];
  /** Of sizes too; only where all inputs' sizes but the batch are declared. */
  readonly ofSizes: readonly string[];
}

/** @param shapes - of all values, from a run on one example; without them only what follows from constants is found */
export function fixedConditions(graph: Graph, shapes?: Shapes): FixedConditions {
  const branches = graph.nodes.filter(({ opType, domain }) => opType === 'If' && domain === '');
  const conditions = [...new Set(branches.map(({ inputs }) => inputs[0]!))];
  const { producer } = indexGraph(graph);
  const { constantOf } = factsOf(graph);
  const inputs = graph.inputs.filter(({ name }) => !graph.initializers.has(name));
  const fed = new Set(inputs.map(({ name }) => name));
  const batches = shapes && inputs.every(isOfKnownSizes) ? batchAxes(graph, shapes) : undefined;
  const constant: string[] = [];
  const ofSizes: string[] = [];
  for (const condition of conditions) {
    const kind = kindOf(condition);
    if (kind === 'constant') constant.push(condition);
    else if (kind === 'sizes') ofSizes.push(condition);
  }
  return { constant, ofSizes };

  function kindOf(condition: string): 'constant' | 'sizes' | undefined {
    let hasSizes = false;
    const seen = new Set<string>();
    const pending = [condition];
    for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
      if (name === '' || seen.has(name)) continue;
      seen.add(name);
      if (fed.has(name)) return undefined;
      const node = producer(name);
      if (!node) continue;
      if (free.test(node.opType) || node.domain !== '' || node.opType === 'Size') return undefined;
      for (const [i, input] of node.inputs.entries()) {
        const from = producer(input);
        if (from?.opType !== 'Shape' || from.domain !== '') pending.push(input);
        else if (i === 0 && takesNoBatch(node, from)) hasSizes = true;
        else return undefined;
      }
      if (node.opType === 'Shape') return undefined;
    }
    return hasSizes ? 'sizes' : 'constant';
  }

  /** Whether a node picks sizes of a value, and none of them the batch. */
  function takesNoBatch(node: Node, { inputs: [value = ''], attributes }: Node): boolean {
    const batch = batches?.get(value);
    const rank = shapes?.get(value)?.length;
    if (node.opType !== 'Gather' || !batch || rank === undefined || attributes.size > 0) return false;
    if (intAttribute(node, 'axis', 0) !== 0 || !madeOfFixedSizes(value)) return false;
    const picked = constantOf(node.inputs[1] ?? '');
    return (
      picked !== undefined &&
      Array.from(picked.data, Number).every((i) => positiveAxis(i, rank) !== batch.axis)
    );
  }

  /** Whether no size of the value may depend on data. */
  function madeOfFixedSizes(value: string): boolean {
    const seen = new Set<string>();
    const pending = [value];
    for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
      const node = producer(name);
      if (!node || seen.has(name)) continue;
      seen.add(name);
      if (free.test(node.opType) && node.opType !== 'If') return false;
      for (const input of node.inputs) pending.push(input);
    }
    return true;
  }
}

/** Whether the file declares all sizes but the batch. */
export function isOfKnownSizes({ type }: ValueInfo): boolean {
  if (type?.kind !== 'tensor' || !type.shape) return false;
  return type.shape.slice(1).every((dim) => typeof dim === 'number' && dim > 0);
}
