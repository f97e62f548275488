import { ancestors, type DataFlow } from './data-flow.js';
import { endingOf } from './find-ending.js';
import { isFlatMap } from './flat-maps.js';
import { isAttention, linearLayer } from './linear-layer.js';
import type { ValueLayouts } from './value-layout.js';

/**
 * The last tokens [1, T, C] that a transformer gives: its deepest output of that form, else the last that everything
 * else is made of. Undefined where no token looks at another and none is added to what it was.
 */
export function lastTokens(flow: DataFlow, layouts: ValueLayouts): string | undefined {
  const { graph } = flow;
  const isScored = (output: string): boolean => endingOf(output, flow, layouts) !== undefined;
  const isTokens = (value: string): boolean => {
    const shape = layouts.shape(value);
    return (
      flow.producer(value) !== undefined &&
      (shape.length === 3 || shape.length === 4) &&
      shape[0] === 1 &&
      layouts.layout(value) === 'channelsLast' &&
      layouts.channels(value) > 1 &&
      layouts.positions(value) > 1 &&
      !isFlatMap(value, flow, layouts)
    );
  };
  const mixes = graph.nodes.some((node) => flow.inputs(node).length > 0 && isAttention(node, flow));
  const residuals = graph.nodes.filter(
    (node) =>
      (node.opType === 'Add' || node.opType === 'SkipLayerNormalization') &&
      flow.inputs(node).length > 1 &&
      flow.inputs(node).every(isTokens),
  );
  if (residuals.length < 2 && !mixes) return undefined;
  const deepest = (values: readonly string[]): string | undefined =>
    [...values].sort((a, b) => flow.order(b) - flow.order(a))[0];
  const outputs = graph.outputs.map(({ name }) => name).filter((name) => flow.carries(name));
  const given = deepest(outputs.filter((output) => isTokens(output) && !isScored(output)));
  if (given !== undefined) return given;
  // The last residual sum that the outputs are made of, and what normalises it before the next layer.
  const leading = ancestors(flow, outputs);
  const sum = deepest(residuals.flatMap(({ outputs: [value] }) => (leading.has(value!) ? [value!] : [])));
  if (sum === undefined) return undefined;
  const shape = layouts.shape(sum).join();
  const reached = new Set([sum]);
  for (const node of graph.nodes) {
    if (
      linearLayer(node, flow) ||
      ['Transpose', 'Reshape'].includes(node.opType) ||
      !flow.inputs(node).some((input) => reached.has(input))
    )
      continue;
    for (const value of flow.outputs(node)) if (leading.has(value)) reached.add(value);
  }
  return deepest([...reached].filter((value) => layouts.shape(value).join() === shape));
}
