import type { DataFlow } from './data-flow.js';

interface Place {
  /** Undefined stands for the sources together. */
  readonly parent: Place | undefined;
  readonly depth: number;
  /** Undefined for a node with several outputs: no single value to cut at. */
  readonly value: string | undefined;
}

/**
 * The values through which all data passes on its way from the sources to `to`, in order and `to` included: the
 * dominators of `to`. A network may be cut in two at each of them. A residual connection bypasses what it spans, so
 * the inside of a block is never among them, while its two ends are.
 *
 * One pass in topological order: a node's immediate dominator is the nearest common ancestor, in the tree built so
 * far, of the values that enter it (Cooper, Harvey & Kennedy 2001, for a graph without cycles).
 */
export function narrowValues(flow: DataFlow, to: string): string[] {
  const root: Place = { parent: undefined, depth: 0, value: undefined };
  const places = new Map<string, Place>();
  for (const source of flow.sources) places.set(source, { parent: root, depth: 1, value: source });
  for (const node of flow.graph.nodes) {
    const inputs = flow.inputs(node);
    if (inputs.length === 0) continue;
    let meeting = places.get(inputs[0]!)!;
    for (let i = 1; i < inputs.length; i++) meeting = nearestCommon(meeting, places.get(inputs[i]!)!);
    const outputs = flow.outputs(node);
    // Several outputs hang under the node, not under one another.
    const parent: Place =
      outputs.length > 1 ? { parent: meeting, depth: meeting.depth + 1, value: undefined } : meeting;
    for (const value of outputs) places.set(value, { parent, depth: parent.depth + 1, value });
    if (outputs.includes(to)) break;
  }
  const chain: string[] = [];
  for (let place = places.get(to); place; place = place.parent) {
    if (place.value !== undefined) chain.push(place.value);
  }
  return chain.reverse();
}

function nearestCommon(a: Place, b: Place): Place {
  let [left, right] = [a, b];
  while (left !== right) {
    if (left.depth >= right.depth) left = left.parent!;
    else right = right.parent!;
  }
  return left;
}
