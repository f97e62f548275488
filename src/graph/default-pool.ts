/** Which pooling turns a feature layer into one vector an example, where the user names none. */
import { intAttribute } from '../onnx/attributes.js';
import { GraftError } from '../errors.js';
import { formatShape } from '../tensor/shape.js';
import type { DataFlow } from './data-flow.js';
import { isAttention } from './linear-layer.js';
import type { Pool } from './pool-features.js';
import { factsOf, type ValueFacts } from './value-facts.js';
import { type Layout, positionCount, type Shapes } from './value-layout.js';

/**
 * A vector is taken as it is, maps are averaged over their positions; of tokens the class token is taken where the
 * network has one and looks at images, else their mean.
 * @param tokenPool - in place of the mean of tokens, where more is known of the network
 * @throws GraftError UNSUPPORTED_MODEL for a shape with fewer than two axes.
 */
export function defaultPool(
  layer: string,
  {
    shape,
    layout,
    classToken,
    tokenPool = 'mean',
  }: {
    readonly shape: readonly number[];
    readonly layout: Layout;
    readonly classToken: boolean;
    readonly tokenPool?: Pool | undefined;
  },
): Pool {
  if (shape.length < 2) {
    throw new GraftError(
      'UNSUPPORTED_MODEL',
      `Layer "${layer}" has shape ${formatShape(shape)}; a feature layer has 2 axes or more, the first one the batch.`,
    );
  }
  if (positionCount(shape, layout) === 1) return 'none';
  if (layout === 'channelsFirst') return 'avg';
  if (shape.length !== 3) return 'mean';
  return classToken ? 'cls' : tokenPool;
}

/** Whether a token of `layer` may know of the others: before the first attention the class token is that of any text. */
export function followsAttention(flow: DataFlow, layer: string): boolean {
  const { nodes } = flow.graph;
  const first = nodes.findIndex((node) => isAttention(node, flow));
  return first >= 0 && nodes.findIndex(({ outputs }) => outputs.includes(layer)) > first;
}

/**
 * Whether the first token of `layer` stands for the whole image: an image transformer puts a learned vector before the
 * patches, or reads its first token alone. Values before that, of another number of tokens, have no such token.
 */
export function hasClassToken(flow: DataFlow, shapes: Shapes, layer: string): boolean {
  const { graph, sources } = flow;
  // The first token of a text encoder is trained by a later task only; their mean is the better feature without it.
  if (sources.some((source) => shapes.get(source)?.length === 2)) return false;
  const tokenCount = (value: string | undefined): number | undefined => {
    const shape = shapes.get(value ?? '');
    return shape?.length === 3 ? shape[1] : undefined;
  };
  const count = tokenCount(layer);
  if (count === undefined) return false;
  let facts: ValueFacts | undefined;
  const isZero = (value: string): boolean => {
    facts ??= factsOf(graph);
    const data = facts.constantOf(value)?.data;
    return data?.length === 1 && Number(data[0]) === 0;
  };
  return graph.nodes.some((node) => {
    const [tokens] = flow.inputs(node);
    if (tokens === undefined || tokenCount(tokens) === undefined) return false;
    if (node.opType === 'Concat') {
      const [learned] = node.inputs;
      return (
        tokenCount(node.outputs[0]) === count &&
        intAttribute(node, 'axis', 0) === 1 &&
        learned !== undefined &&
        !flow.carries(learned) &&
        (shapes.get(learned)?.[1] ?? 9) <= 8
      );
    }
    return (
      node.opType === 'Gather' &&
      tokenCount(tokens) === count &&
      tokens === node.inputs[0] &&
      intAttribute(node, 'axis', 0) === 1 &&
      isZero(node.inputs[1]!)
    );
  });
}
