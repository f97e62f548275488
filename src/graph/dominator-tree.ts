/**
 * Which values all data passes through on its way to another one. A network may be cut in two at each of them. A
 * residual connection bypasses what it spans, so the inside of a block is never among them, while its two ends are.
 *
 * One pass in topological order: a node's immediate dominator is the nearest common ancestor, in the tree built so
 * far, of the values that enter it (Cooper, Harvey & Kennedy 2001, for a graph without cycles).
 */
import type { DataFlow } from './data-flow.js';

export interface DominatorTree {
  /** The values that dominate `to`, from the first on and `to` included. */
  chain(to: string): string[];
  /** Whether all data that reaches `b` passes through `a`, or `a` is `b`. */
  dominates(a: string, b: string): boolean;
}

interface Place {
  /** Undefined for the root, which stands for the sources together. */
  readonly parent: Place | undefined;
  readonly depth: number;
  /** Undefined for a node with several outputs: no single value to cut at. */
  readonly value: string | undefined;
  readonly children: Place[];
  /** Places are numbered depth first, so that what hangs under one are the numbers `first` to `last`. */
  first: number;
  last: number;
}

export function dominatorTree(flow: DataFlow): DominatorTree {
  const root = hang(undefined, undefined);
  const places = new Map<string, Place>();
  for (const source of flow.sources) places.set(source, hang(root, source));
  for (const node of flow.graph.nodes) {
    const inputs = flow.inputs(node);
    if (inputs.length === 0) continue;
    let meeting = places.get(inputs[0]!)!;
    for (let i = 1; i < inputs.length; i++) meeting = nearestCommon(meeting, places.get(inputs[i]!)!);
    const outputs = flow.outputs(node);
    // Several outputs hang under the node, not under one another.
    const parent = outputs.length > 1 ? hang(meeting, undefined) : meeting;
    for (const value of outputs) places.set(value, hang(parent, value));
  }
  number(root);
  return {
    chain(to) {
      const values: string[] = [];
      for (let place = places.get(to); place; place = place.parent) {
        if (place.value !== undefined) values.push(place.value);
      }
      return values.reverse();
    },
    dominates(a, b) {
      const above = places.get(a);
      const below = places.get(b);
      return (
        above !== undefined && below !== undefined && above.first <= below.first && below.first <= above.last
      );
    },
  };
}

function hang(parent: Place | undefined, value: string | undefined): Place {
  const place: Place = { parent, depth: (parent?.depth ?? -1) + 1, value, children: [], first: 0, last: 0 };
  parent?.children.push(place);
  return place;
}

function nearestCommon(a: Place, b: Place): Place {
  let [left, right] = [a, b];
  while (left !== right) {
    if (left.depth >= right.depth) left = left.parent!;
    else right = right.parent!;
  }
  return left;
}

/** Without recursion: a plain network is one long branch. */
function number(root: Place): void {
  let next = 0;
  const pending: { place: Place; child: number }[] = [{ place: root, child: 0 }];
  root.first = next++;
  while (pending.length > 0) {
    const top = pending.at(-1)!;
    const child = top.place.children[top.child++];
    if (child) {
      child.first = next++;
      pending.push({ place: child, child: 0 });
    } else {
      top.place.last = next - 1;
      pending.pop();
    }
  }
}
