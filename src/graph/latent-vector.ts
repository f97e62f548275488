import { ancestors, type DataFlow } from './data-flow.js';
import { dominatorTree } from './dominator-tree.js';
import { linearLayer } from './linear-layer.js';
import type { ValueLayouts } from './value-layout.js';

/**
 * The code [1, C] of an autoencoder: the narrowest vector that all outputs are made of by further layers, the last one of equals.
 * Undefined where maps go around every vector, as in a U-net.
 */
export function latentVector(flow: DataFlow, layouts: ValueLayouts): string | undefined {
  const { graph } = flow;
  const outputs = graph.outputs.map(({ name }) => name).filter((name) => flow.carries(name));
  if (outputs.length === 0) return undefined;
  const tree = dominatorTree(flow);
  const beforeLayer = ancestors(
    flow,
    graph.nodes.flatMap((node) => (linearLayer(node, flow) ? flow.inputs(node) : [])),
  );
  let best: { readonly value: string; readonly width: number } | undefined;
  for (const value of tree.chain(outputs[0]!)) {
    const [batch, width = 0, ...more] = layouts.shape(value);
    const isVector = batch === 1 && more.length === 0 && width > 1 && flow.producer(value) !== undefined;
    if (!isVector || !beforeLayer.has(value) || (best && width > best.width)) continue;
    if (outputs.every((output) => tree.dominates(value, output))) best = { value, width };
  }
  return best?.value;
}
