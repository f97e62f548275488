import { intAttribute, intsAttribute } from '../onnx/attributes.js';
import { indexGraph } from '../onnx/graph-index.js';
import type { Graph, Node } from '../onnx/ir.js';
import { factsOf, type ValueFacts } from './value-facts.js';

/** Where a mask does its work: there its most negative numbers become weights of 0. */
const weighing = /(Softmax|Attention)$|^Exp$/;

/**
 * Whether texts may have other features where they are filled up, in spite of their mask:
 *
 * - windows and recurrences take in the tokens beside them, which no mask keeps out (ConvBERT, Funnel);
 * - the token at a place counted from the end is another one then (exports of decoders that give the last scores alone);
 * - static quantisation rounds the mask to a grid on its way, and one that was measured on texts that were not filled up does
 *   not reach to its most negative numbers.
 * @param mask - an input
 */
export function showsFilling(graph: Graph, mask: string): boolean {
  if (graph.nodes.some((node) => takesNeighbours(node, graph))) return true;
  const { constantOf } = factsOf(graph);
  if (graph.nodes.some((node) => countsFromEnd(node, constantOf))) return true;
  const { users } = indexGraph(graph);
  const seen = new Set<string>();
  const pending = [{ value: mask, isRounded: false }];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { value, isRounded } = next;
    const key = `${isRounded} ${value}`;
    if (seen.has(key)) continue;
    seen.add(key);
    for (const { opType, outputs } of users(value)) {
      const isGrid = isRounded || opType === 'QuantizeLinear';
      if (!weighing.test(opType))
        for (const name of outputs) pending.push({ value: name, isRounded: isGrid });
      else if (isRounded) return true;
    }
  }
  return false;
}

function takesNeighbours(node: Node, { initializers }: Graph): boolean {
  switch (node.opType) {
    case 'LSTM':
    case 'GRU':
    case 'RNN':
      // Without the lengths of the sequences.
      return !node.inputs[4];
    case 'Conv':
    case 'AveragePool':
    case 'MaxPool':
    case 'LpPool': {
      const kernel =
        intsAttribute(node, 'kernel_shape') ?? initializers.get(node.inputs[1] ?? '')?.dims.slice(2);
      return kernel?.some((size) => size > 1) === true;
    }
    default:
      return false;
  }
}

/** Along the second axis, that of tokens; such a slice along another one costs speed alone. */
function countsFromEnd(node: Node, constantOf: ValueFacts['constantOf']): boolean {
  const { opType, inputs } = node;
  const numbers = (input: number): readonly number[] | undefined => {
    const data = constantOf(inputs[input] ?? '')?.data;
    return data && Array.from(data, Number);
  };
  if (inputs[0] === undefined || constantOf(inputs[0]) !== undefined) return false;
  if (opType === 'Gather')
    return intAttribute(node, 'axis', 0) === 1 && numbers(1)?.some((place) => place < 0) === true;
  if (opType !== 'Slice') return false;
  // Attributes up to operator set 9.
  const starts = intsAttribute(node, 'starts') ?? numbers(1) ?? [];
  const axes = intsAttribute(node, 'axes') ?? numbers(3) ?? starts.map((_, axis) => axis);
  return starts.some((start, i) => start < 0 && axes[i] === 1);
}
