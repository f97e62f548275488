import { indexGraph } from '../onnx/graph-index.js';
import type { Graph } from '../onnx/ir.js';
import { factsOf } from './value-facts.js';

/** What the ids of an input are compared with, one number each: a model that looks for the end of a text does not run on one without it. */
export function soughtTokens(graph: Graph, input: string): number[] {
  const { users } = indexGraph(graph);
  const sought = new Set<number>();
  const pending = [input];
  for (let value = pending.pop(); value !== undefined; value = pending.pop()) {
    for (const node of users(value)) {
      if (node.opType === 'Cast' || node.opType === 'Identity')
        for (const output of node.outputs) pending.push(output);
      if (node.opType !== 'Equal') continue;
      const other = node.inputs.find((name) => name !== value);
      const data = other === undefined ? undefined : factsOf(graph).constantOf(other)?.data;
      if (data?.length === 1) sought.add(Number(data[0]));
    }
  }
  return [...sought];
}
