/** Which pooling turns a feature layer into one vector an example, where the user names none. */
import { indexGraph } from '../onnx/graph-index.js';
import { intAttribute } from '../onnx/attributes.js';
import { toTensor } from '../onnx/initializer.js';
import type { Graph } from '../onnx/ir.js';
import { GraftError } from '../errors.js';
import { formatShape } from '../tensor/shape.js';
import type { DataFlow } from './data-flow.js';
import type { Pool } from './pool-features.js';
import { type Layout, positionCount, type Shapes } from './value-layout.js';

/**
 * A vector is taken as it is, maps are averaged over their positions; of tokens the class token is taken where the
 * network has one and looks at images, else their mean.
 * @throws GraftError UNSUPPORTED_MODEL for a shape with fewer than two axes.
 */
export function defaultPool(
  layer: string,
  { shape, layout, classToken }: { shape: readonly number[]; layout: Layout; classToken: boolean },
): Pool {
  if (shape.length < 2) {
    throw new GraftError(
      'UNSUPPORTED_MODEL',
      `Layer "${layer}" has shape ${formatShape(shape)}; a feature layer has 2 axes or more, the first one the batch.`,
    );
  }
  if (layout === 'vector') return 'none';
  if (layout === 'channelsFirst') return 'avg';
  if (positionCount(shape, layout) === 1) return 'none';
  return classToken && shape.length === 3 ? 'cls' : 'mean';
}

/**
 * Whether the first token of an image transformer stands for the whole image: a learned vector is put before the
 * patches, or the network itself reads its first token alone.
 */
export function hasClassToken(flow: DataFlow, shapes: Shapes): boolean {
  const { graph } = flow;
  const isTokens = (value: string): boolean => shapes.get(value)?.length === 3;
  return graph.nodes.some((node) => {
    const inputs = flow.inputs(node);
    if (inputs.length === 0 || !isTokens(inputs[0]!)) return false;
    if (node.opType === 'Concat') {
      const [learned] = node.inputs;
      return (
        intAttribute(node, 'axis', 0) === 1 &&
        learned !== undefined &&
        !flow.carries(learned) &&
        (shapes.get(learned)?.[1] ?? 9) <= 8
      );
    }
    return (
      node.opType === 'Gather' &&
      inputs[0] === node.inputs[0] &&
      intAttribute(node, 'axis', 0) === 1 &&
      isZero(graph, node.inputs[1]!)
    );
  });
}

function isZero(graph: Graph, value: string): boolean {
  const attribute = indexGraph(graph).producer(value)?.attributes.get('value');
  const constant =
    graph.initializers.get(value) ?? (attribute?.kind === 'tensor' ? attribute.value : undefined);
  if (!constant || constant.dtype === 'string') return false;
  const { data } = toTensor(constant);
  return data.length === 1 && Number(data[0]) === 0;
}
