import { indexGraph } from '../onnx/graph-index.js';
import type { Graph } from '../onnx/ir.js';

/** Where a mask does its work: there its most negative numbers become weights of 0. */
const weighing = /(Softmax|Attention)$|^Exp$/;

/**
 * Whether texts may have other features where they are filled up, in spite of their mask: static quantisation rounds it to a
 * grid on its way, and one that was measured on texts that were not filled up does not reach to its most negative numbers.
 * @param mask - an input
 */
export function showsFilling(graph: Graph, mask: string): boolean {
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
        pending.push(...outputs.map((name) => ({ value: name, isRounded: isGrid })));
      else if (isRounded) return true;
    }
  }
  return false;
}
