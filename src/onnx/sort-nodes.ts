/**
 * Nodes in topological order. The format demands it, but ONNX Runtime does not, so files without it are about. What is in
 * order is left as it is; otherwise each node comes after what it needs and else where it was.
 */
import { GraftError } from '../errors.js';
import { valuesRead } from './graph-index.js';
import type { Attribute, Graph, Model, Node } from './ir.js';
import { quoteName } from './quote-name.js';
import { describeNode } from './validate-model.js';

/** @throws GraftError INVALID_MODEL for a cycle, naming its nodes. */
export function sortModel(model: Model, path: string): Model {
  return {
    ...model,
    graph: sortGraph(model.graph, path),
    functions: model.functions.map((definition) => ({
      ...definition,
      nodes: sortNodes(definition.nodes, `Function ${quoteName(definition.name)} of ${path}`, path),
    })),
  };
}

function sortGraph(graph: Graph, path: string): Graph {
  return { ...graph, nodes: sortNodes(graph.nodes, `Graph ${quoteName(graph.name)} of ${path}`, path) };
}

function sortNodes(nodes: readonly Node[], what: string, path: string): readonly Node[] {
  const sorted = nodes.map((node) => sortSubgraphs(node, path));
  const producers = new Map<string, number>();
  let isUnique = true;
  sorted.forEach((node, index) => {
    for (const output of node.outputs) {
      if (output === '') continue;
      isUnique &&= !producers.has(output);
      producers.set(output, index);
    }
  });
  // A value that two nodes make has no order; validation refuses it by its name.
  if (!isUnique) return sorted;
  const isSorted = sorted.every((node, index) => {
    for (const value of readBy(node)) if ((producers.get(value) ?? -1) >= index) return false;
    return true;
  });
  if (isSorted) return sorted;
  const needs = sorted.map((node) =>
    [...readBy(node)].map((value) => producers.get(value)).filter((index) => index !== undefined),
  );
  return inOrder(needs, (cycle) => {
    const names = cycle.slice(0, 8).map((index) => describeNode(sorted[index]!));
    return new GraftError(
      'INVALID_MODEL',
      `${what} has a cycle: ${[...names, ...(cycle.length > 8 ? ['…'] : []), names[0]].join(' → ')}.`,
    );
  }).map((index) => sorted[index]!);
}

/** Few nodes have bodies; for the others their inputs say it all. */
const readBy = (node: Node): Iterable<string> => (hasSubgraph(node) ? valuesRead(node) : node.inputs);

function hasSubgraph({ attributes }: Node): boolean {
  for (const { kind } of attributes.values()) if (kind === 'graph' || kind === 'graphs') return true;
  return false;
}

function sortSubgraphs(node: Node, path: string): Node {
  if (!hasSubgraph(node)) return node;
  const attributes = new Map<string, Attribute>();
  for (const [name, attribute] of node.attributes) attributes.set(name, sortAttribute(attribute, path));
  return { ...node, attributes };
}

function sortAttribute(attribute: Attribute, path: string): Attribute {
  if (attribute.kind === 'graph') return { ...attribute, value: sortGraph(attribute.value, path) };
  if (attribute.kind !== 'graphs') return attribute;
  return { ...attribute, value: attribute.value.map((graph) => sortGraph(graph, path)) };
}

/** Depth first with a stack of its own: a chain of nodes may be longer than the call stack. */
function inOrder(
  needs: readonly (readonly number[])[],
  refusal: (cycle: readonly number[]) => GraftError,
): number[] {
  const order: number[] = [];
  const state = new Uint8Array(needs.length);
  const [entered, done] = [1, 2];
  for (let root = 0; root < needs.length; root++) {
    if (state[root] === done) continue;
    const trail = [root];
    const nextNeed = [0];
    state[root] = entered;
    while (trail.length > 0) {
      const node = trail.at(-1)!;
      const need = needs[node]![nextNeed[nextNeed.length - 1]!++];
      if (need === undefined) {
        state[node] = done;
        order.push(node);
        trail.pop();
        nextNeed.pop();
      } else if (state[need] === entered) {
        throw refusal(trail.slice(trail.indexOf(need)));
      } else if (state[need] !== done) {
        state[need] = entered;
        trail.push(need);
        nextNeed.push(0);
      }
    }
  }
  return order;
}
