/**
 * Which values all data passes through on its way to another one. A network may be cut in two at each of them. A
 * residual connection bypasses what it spans, so the inside of a block is never among them, while its two ends are.
 *
 * One pass in topological order: a node's immediate dominator is the nearest common ancestor, in the tree built so
 * far, of the values that enter it (Cooper, Harvey & Kennedy 2001, for a graph without cycles).
 */
import type { Node } from '../onnx/ir.js';
import { ancestors, type DataFlow } from './data-flow.js';

export interface DominatorTree {
  /** The values that dominate `to`, from the first on, or from behind `from` where it is one of them, and `to` included. */
  chain(to: string, from?: string): string[];
  /** Whether all data that reaches `b` passes through `a`, or `a` is `b`. */
  dominates(a: string, b: string): boolean;
  /** The values that lead to one of `ends` which other data reaches beside them. */
  bypassed(ends: Iterable<string>): ReadonlySet<string>;
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
  const joins: { readonly node: Node; readonly meeting: Place }[] = [];
  for (const source of flow.sources) places.set(source, hang(root, source));
  for (const node of flow.graph.nodes) {
    const inputs = flow.inputs(node);
    if (inputs.length === 0) continue;
    let meeting = places.get(inputs[0]!)!;
    for (let i = 1; i < inputs.length; i++) meeting = nearestCommon(meeting, places.get(inputs[i]!)!);
    if (inputs.length > 1) joins.push({ node, meeting });
    const outputs = flow.outputs(node);
    // Several outputs hang under the node, not under one another.
    const parent = outputs.length > 1 ? hang(meeting, undefined) : meeting;
    for (const value of outputs) places.set(value, hang(parent, value));
  }
  number(root);
  return {
    chain(to, from) {
      const values: string[] = [];
      for (let place = places.get(to); place; place = place.parent) {
        if (from !== undefined && place.value === from) break;
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
    bypassed(ends) {
      // A join lies beside the places from each of its inputs up to where they meet: one more at the lower end and one less
      // at the upper end, so that what hangs under a place sums up to the joins beside it.
      const leading = ancestors(flow, ends);
      const sums = new Float64Array(root.last + 2);
      for (const { node, meeting } of joins) {
        if (!flow.outputs(node).some((output) => leading.has(output))) continue;
        for (const input of flow.inputs(node)) {
          sums[places.get(input)!.first + 1]! += 1;
          sums[meeting.first + 1]! -= 1;
        }
      }
      for (let i = 1; i < sums.length; i++) sums[i]! += sums[i - 1]!;
      const found = new Set<string>();
      for (const [value, { first, last }] of places) if (sums[last + 1]! > sums[first]!) found.add(value);
      return found;
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
