/** Which pooling turns a feature layer into one vector an example, where the user names none. */
import { intAttribute } from '../onnx/attributes.js';
import { GraftError } from '../errors.js';
import { formatShape } from '../tensor/shape.js';
import type { DataFlow } from './data-flow.js';
import { isAttention } from './linear-layer.js';
import type { Pool } from './pool-features.js';
import { factsOf, type ValueFacts } from './value-facts.js';
import type { ValueLayouts } from './value-layout.js';

/**
 * A vector is taken as it is, maps are averaged over their positions; of tokens the class token is taken where the
 * network has one and looks at images, else their mean.
 * @param tokenPool - in place of the mean of tokens that know of one another, where more is known of the network
 * @returns the pooling of a layer; it throws GraftError UNSUPPORTED_MODEL for a shape with fewer than two axes
 */
export function defaultPools(
  flow: DataFlow,
  layouts: ValueLayouts,
  tokenPool: Pool = 'mean',
): (layer: string) => Pool {
  const withClassToken = countsWithClassToken(flow, layouts);
  const knowsOthers = afterAttention(flow);
  return (layer) => {
    const shape = layouts.shape(layer);
    if (shape.length < 2) {
      throw new GraftError(
        'UNSUPPORTED_MODEL',
        `Layer "${layer}" has shape ${formatShape(shape)}; a feature layer has 2 axes or more, the first one the batch.`,
      );
    }
    if (layouts.positions(layer) === 1) return 'none';
    if (layouts.layout(layer) === 'channelsFirst') return 'avg';
    if (shape.length !== 3) return 'mean';
    if (withClassToken.has(shape[1]!)) return 'cls';
    return knowsOthers(layer) ? tokenPool : 'mean';
  };
}

/** Whether a token of a layer may know of the others: before the first attention the class token of a text is that of any text. */
export function afterAttention(flow: DataFlow): (layer: string) => boolean {
  const first = flow.graph.nodes.findIndex((node) => isAttention(node, flow));
  return (layer) => first >= 0 && flow.order(layer) > first;
}

/**
 * The numbers of tokens of which the first one stands for the whole image: an image transformer puts a learned vector before
 * the patches, or reads its first token alone. Values before that, of another number of tokens, have no such token.
 */
function countsWithClassToken(flow: DataFlow, layouts: ValueLayouts): ReadonlySet<number> {
  const { graph, sources } = flow;
  const found = new Set<number>();
  // The first token of a text encoder is trained by a later task only; their mean is the better feature without it.
  if (sources.some((source) => layouts.shape(source).length === 2)) return found;
  const tokenCount = (value: string): number | undefined => {
    const shape = layouts.shape(value);
    return shape.length === 3 ? shape[1] : undefined;
  };
  let facts: ValueFacts | undefined;
  const isZero = (value: string): boolean => {
    facts ??= factsOf(graph);
    const data = facts.constantOf(value)?.data;
    return data?.length === 1 && Number(data[0]) === 0;
  };
  for (const node of graph.nodes) {
    if ((node.opType !== 'Concat' && node.opType !== 'Gather') || intAttribute(node, 'axis', 0) !== 1)
      continue;
    const [tokens] = flow.inputs(node);
    const given = tokens === undefined ? undefined : tokenCount(tokens);
    if (given === undefined) continue;
    const [first, second] = node.inputs as [string, string];
    if (node.opType === 'Gather') {
      if (tokens === first && isZero(second)) found.add(given);
    } else if (!flow.carries(first) && (layouts.shape(first)[1] ?? 9) <= 8) {
      const joined = tokenCount(node.outputs[0]!);
      if (joined !== undefined) found.add(joined);
    }
  }
  return found;
}
