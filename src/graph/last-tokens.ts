import { ancestors, type DataFlow } from './data-flow.js';
import { isAttention } from './linear-layer.js';
import { type Layout, positionCount, type Shapes } from './value-layout.js';

/**
 * The last tokens [1, T, C] that a transformer gives: its deepest output of that form, else the last that everything
 * else is made of. Undefined where no token looks at another and none is added to what it was.
 */
export function lastTokens(
  flow: DataFlow,
  shapes: Shapes,
  layouts: ReadonlyMap<string, Layout>,
): string | undefined {
  const { graph } = flow;
  const isTokens = (value: string): boolean => {
    const shape = shapes.get(value);
    return (
      flow.producer(value) !== undefined &&
      (shape?.length === 3 || shape?.length === 4) &&
      shape[0] === 1 &&
      layouts.get(value) === 'channelsLast' &&
      shape.at(-1)! > 1 &&
      positionCount(shape, 'channelsLast') > 1
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
  const order = new Map(graph.nodes.flatMap(({ outputs }, i) => outputs.map((name) => [name, i] as const)));
  const deepest = (values: readonly string[]): string | undefined =>
    [...values].sort((a, b) => order.get(b)! - order.get(a)!)[0];
  const outputs = graph.outputs.map(({ name }) => name).filter((name) => flow.carries(name));
  const given = deepest(outputs.filter(isTokens));
  if (given !== undefined) return given;
  // The last residual sum or normalisation that the outputs are made of.
  const leading = ancestors(flow, outputs);
  const made = graph.nodes
    .filter(({ opType }) => ['Add', 'LayerNormalization', 'SkipLayerNormalization', 'Mul'].includes(opType))
    .flatMap((node) => flow.outputs(node))
    .filter((value) => leading.has(value) && isTokens(value));
  return deepest(made);
}
