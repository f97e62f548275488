import { indexGraph, valuesRead } from '../onnx/graph-index.js';
import type { Graph } from '../onnx/ir.js';

export interface Making {
  /** The values whose sizes count, and those of `isSource`. */
  readonly sources: ReadonlySet<string>;
  /** All values on the way, `value` itself included. */
  readonly way: ReadonlySet<string>;
}

/**
 * What `value` is made of: sizes of values, as in the shape that a Reshape or an Expand is told, and of the values on the
 * way those that are a source themselves. Undefined where anything else that the graph is fed counts in it, or a table of weights together
 * with such a source: what is made then is a layer's.
 */
export function madeOf(
  graph: Graph,
  value: string,
  isSource: (name: string) => boolean = () => false,
): Making | undefined {
  const { producer } = indexGraph(graph);
  const fed = new Set(graph.inputs.map(({ name }) => name).filter((name) => !graph.initializers.has(name)));
  const isTable = (name: string): boolean =>
    (graph.initializers.get(name)?.dims.filter((size) => size !== 1).length ?? 0) > 1;
  const sources = new Set<string>();
  const way = new Set<string>();
  let meets = false;
  let readsTable = false;
  // A list instead of calls: graphs are as deep as a file says.
  const pending = [value];
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (way.has(name)) continue;
    way.add(name);
    if (name !== value && isSource(name)) {
      sources.add(name);
      meets = true;
      continue;
    }
    const node = producer(name);
    if (!node) {
      if (fed.has(name)) return undefined;
      readsTable ||= isTable(name);
    } else if (node.opType === 'Shape' || node.opType === 'Size') sources.add(node.inputs[0]!);
    else for (const read of valuesRead(node)) pending.push(read);
  }
  return sources.size > 0 && !(meets && readsTable) ? { sources, way } : undefined;
}
