import { capturedValues } from '../onnx/graph-index.js';
import type { Graph, Node } from '../onnx/ir.js';
import { keepNames, mapSubgraphs, renameGraph, renameNode, type Renaming } from './rename-graph.js';

/** Makes up names that nothing else has. */
export interface Naming {
  value(name: string): string;
  node(name: string): string;
}

/**
 * The nodes under the names that `names` has for their values; others get new ones, which are added there. What a
 * subgraph defines gets names of its own, so that none hides a value that a name now stands for.
 */
export function renameScoped(
  nodes: readonly Node[],
  names: Map<string, string>,
  naming: Naming,
): readonly Node[] {
  return renameNodes(nodes, { names, captured: () => undefined }, naming);
}

interface Scope {
  readonly names: Map<string, string>;
  /** A name of the graphs around. */
  captured(name: string): string | undefined;
}

function renameNodes(nodes: readonly Node[], scope: Scope, naming: Naming): Node[] {
  const renaming = renamingIn(scope, naming);
  return nodes.map((row) => {
    const { attributes } = row;
    const plain = renameNode({ ...row, attributes: new Map() }, renaming);
    return { ...plain, attributes: mapSubgraphs(attributes, (body) => renameBody(body, scope, naming)) };
  });
}

function renameBody(body: Graph, outer: Scope, naming: Naming): Graph {
  const captured = capturedValues(body);
  const outside = renamingIn(outer, naming);
  const scope: Scope = {
    names: new Map(),
    captured: (name) => (captured.has(name) ? outside.value(name) : undefined),
  };
  const nodes = renameNodes(body.nodes, scope, naming);
  return { ...renameGraph({ ...body, nodes: [] }, renamingIn(scope, naming)), nodes };
}

function renamingIn({ names, captured }: Scope, naming: Naming): Renaming {
  return {
    ...keepNames,
    node: (name) => naming.node(name),
    value: (name) => {
      let renamed = names.get(name) ?? captured(name);
      if (renamed === undefined) names.set(name, (renamed = naming.value(name)));
      return renamed;
    },
  };
}
