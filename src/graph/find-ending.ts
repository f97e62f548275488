/**
 * What a model does at its end, read backwards from its outputs: an old classifier that a new head replaces, or a
 * vector that is the model's own embedding.
 */
import type { Node } from '../onnx/ir.js';
import { sizeOf } from '../tensor/shape.js';
import { beforeLabel } from './before-label.js';
import type { DataFlow } from './data-flow.js';
import { findLastLayer, isVector, type ScoringLayer } from './find-last-layer.js';
import type { ValueLayouts } from './value-layout.js';

export interface Ending {
  readonly kind: 'classifier' | 'tokenClassifier' | 'embedding' | 'pooler';
  /** The value on which a new head should stand. */
  readonly feature: string;
  /** Scores of the old classifier, or numbers of the embedding. */
  readonly size: number;
  /** The model's output that this is the end of. */
  readonly output: string;
}

const saysScores = /logit|prob|score|class|softmax|label|pred/i;
const saysEmbedding = /embed|feat|pool|latent|repr|encod|vector/i;

const rank: Readonly<Record<Ending['kind'], number>> = {
  classifier: 3,
  embedding: 2,
  pooler: 1,
  tokenClassifier: 1,
};

/** The ending that lies deepest in the graph; one of vectors before one of tokens. */
export function findEnding(flow: DataFlow, layouts: ValueLayouts): Ending | undefined {
  const depth = ({ feature }: Ending): number => flow.order(feature);
  return flow.graph.outputs
    .map(({ name }) => endingOf(name, flow, layouts))
    .filter((ending) => ending !== undefined)
    .filter(({ feature }) => layouts.shape(feature)[0] === 1)
    .sort((a, b) => rank[b.kind] - rank[a.kind] || depth(b) - depth(a) || b.size - a.size)[0];
}

/** What one output of the model is the end of; undefined for maps, boxes and tokens as they are. */
export function endingOf(output: string, flow: DataFlow, layouts: ValueLayouts): Ending | undefined {
  const start = flow.carries(output) ? output : beforeLabel(output, flow);
  if (start === undefined || layouts.shape(start)[0] !== 1) return undefined;
  const shape = layouts.shape(start);
  const last = findLastLayer(start, flow, layouts);
  if (last?.kind === 'classical') {
    const { inputs, outputs } = last.node;
    const size = layouts.shape(outputs[1] ?? '')[1] ?? 1;
    return { kind: 'classifier', feature: beforeDropout(inputs[0]!, flow), size, output };
  }
  if (last?.kind === 'pooler')
    return isVector(shape) ? { kind: 'pooler', feature: start, size: shape[1]!, output } : undefined;
  if (last?.kind === 'scores') {
    const { layer, node, isPooled } = last;
    const [made] = node.outputs as [string];
    const isMap = layouts.positions(made) > 1 && !isPooled;
    if (layouts.shape(made)[0] !== 1 || (isMap && layer.kind === 'convolution')) return undefined;
    const ends = { feature: beforeDropout(layer.data, flow), size: layouts.channels(made), output };
    if (isMap) return { kind: 'tokenClassifier', ...ends };
    if (start !== output || !embeds(last, output, flow, layouts)) return { kind: 'classifier', ...ends };
  }
  const size = sizeOf(shape);
  // [1, T, 1] may be one number for each of T tokens.
  const isOfTokens = layouts.layout(start) === 'channelsLast' && layouts.positions(start) > 1;
  return isVector(shape) && !isOfTokens && size >= 4
    ? { kind: 'embedding', feature: beforeDropout(start, flow), size, output }
    : undefined;
}

/** Whether what a last layer gives is an embedding, and no scores: by its name, or by a number of values that is round in powers of two. */
function embeds(
  { layer, node, isPooled, isProbability }: ScoringLayer,
  output: string,
  flow: DataFlow,
  layouts: ValueLayouts,
): boolean {
  if (isProbability || saysScores.test(output)) return false;
  if (saysEmbedding.test(output)) return true;
  const [made] = node.outputs as [string];
  const size = layouts.channels(made);
  if (layer.kind === 'convolution' && isPooled && layouts.positions(made) > 1) return size % 16 === 0;
  const hasBias = node.inputs[2] !== undefined || addsBias(node, flow);
  return size % (hasBias ? 128 : 64) === 0;
}

function addsBias({ outputs }: Node, flow: DataFlow): boolean {
  const users = flow.users(outputs[0]!);
  return (
    users.length === 1 &&
    (users[0]!.opType === 'Add' || users[0]!.opType === 'Cast' || users[0]!.opType === 'Mul')
  );
}

/** The same numbers, before what inference leaves as it is, and before they are rounded for the next layer. */
function beforeDropout(given: string, flow: DataFlow): string {
  for (let value = given; ;) {
    const node = flow.producer(value);
    const before = node && flow.inputs(node)[0];
    const source = before === undefined ? undefined : flow.producer(before);
    if (!node || before === undefined || !source) return value;
    if (['Dropout', 'Identity', 'QuantizeLinear', 'DynamicQuantizeLinear'].includes(node.opType))
      value = before;
    else if (node.opType === 'DequantizeLinear' && source.opType === 'QuantizeLinear')
      value = flow.inputs(source)[0]!;
    else return value;
  }
}
