/**
 * What a model does at its end, read backwards from its outputs: an old classifier that a new head replaces, or a
 * vector that is the model's own embedding.
 */
import { GraftError } from '../errors.js';
import { stringAttribute } from '../onnx/attributes.js';
import { indexGraph } from '../onnx/graph-index.js';
import type { Node } from '../onnx/ir.js';
import { ancestors, type DataFlow } from './data-flow.js';
import { isClassicalClassifier, normalising, pooling, probability, scoring } from './ending-operators.js';
import { linearLayer } from './linear-layer.js';
import { channelCount, type Layout, positionCount, type Shapes } from './value-layout.js';

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

/** The ending that lies deepest in the graph; one of vectors before one of tokens. */
export function findEnding(
  flow: DataFlow,
  shapes: Shapes,
  layouts: ReadonlyMap<string, Layout>,
): Ending | undefined {
  const order = new Map(
    flow.graph.nodes.flatMap(({ outputs }, i) => outputs.map((name) => [name, i] as const)),
  );
  const rank: Readonly<Record<Ending['kind'], number>> = {
    classifier: 3,
    embedding: 2,
    pooler: 1,
    tokenClassifier: 1,
  };
  const endings = flow.graph.outputs
    .map(({ name }) => endingOf(name, flow, shapes, layouts))
    .filter((ending) => ending !== undefined);
  const depth = ({ feature }: Ending): number => order.get(feature) ?? -1;
  return endings
    .filter(({ feature }) => shapes.get(feature)?.[0] === 1)
    .sort((a, b) => rank[b.kind] - rank[a.kind] || depth(b) - depth(a) || b.size - a.size)[0];
}

/** What one output of the model is the end of; undefined for maps, boxes and tokens as they are. */
export function endingOf(
  output: string,
  flow: DataFlow,
  shapes: Shapes,
  layouts: ReadonlyMap<string, Layout>,
): Ending | undefined {
  const start = flow.carries(output) ? output : beforeLabel(output, flow);
  if (start === undefined) return undefined;
  const shape = shapes.get(start);
  if (!shape || shape[0] !== 1) return undefined;
  const last = findLast(start, flow, shapes, layouts);
  // [1, T, 1] may be one number for each of T tokens.
  const isOfPlaces = layouts.get(start) === 'channelsLast' && positionCount(shape, 'channelsLast') > 1;
  const isVector = shape.length >= 2 && sizeBeyond(shape) === 1 && !isOfPlaces;
  if (last?.kind === 'scores') {
    const { layer, node, isPooled, isProbability } = last;
    const made = shapes.get(node.outputs[0]!)!;
    const layout = layouts.get(node.outputs[0]!)!;
    const size = channelCount(made, layout);
    const positions = positionCount(made, layout);
    if (made[0] !== 1) return undefined;
    const feature = beforeDropout(layer.data, flow);
    if (layer.kind === 'convolution' && positions > 1 && !isPooled) return undefined;
    if (positions > 1 && !isPooled) return { kind: 'tokenClassifier', feature, size, output };
    const hasBias = node.inputs[2] !== undefined || addsBias(node, flow);
    const embeds =
      start === output &&
      !isProbability &&
      !saysScores.test(output) &&
      (saysEmbedding.test(output) ||
        (layer.kind === 'convolution' && isPooled && positions > 1
          ? size % 16 === 0
          : size % (hasBias ? 128 : 64) === 0));
    if (!embeds) return { kind: 'classifier', feature, size, output };
  } else if (last?.kind === 'pooler') {
    return isVector ? { kind: 'pooler', feature: start, size: shape[1]!, output } : undefined;
  } else if (last?.kind === 'classical') {
    const { inputs, outputs } = last.node;
    const size = shapes.get(outputs[1] ?? '')?.[1] ?? 1;
    return { kind: 'classifier', feature: beforeDropout(inputs[0]!, flow), size, output };
  }
  if (!isVector || shape.length < 2) return undefined;
  const size = shape.reduce((product, dim) => product * dim, 1);
  return size >= 4 ? { kind: 'embedding', feature: beforeDropout(start, flow), size, output } : undefined;
}

/** Numbers beyond the widest axis. */
function sizeBeyond(shape: readonly number[]): number {
  if (shape.length === 0) return 1;
  return shape.reduce((product, dim) => product * dim, 1) / Math.max(...shape);
}

/** A model that gives only the best label: what the label was taken from. */
function beforeLabel(output: string, flow: DataFlow): string | undefined {
  const { producer } = indexGraph(flow.graph);
  let value = output;
  for (let steps = 0; steps < 8 && !flow.carries(value); steps++) {
    const node = producer(value);
    if (
      !node ||
      !['ArgMax', 'Cast', 'Squeeze', 'Identity', 'Reshape', 'Gather', 'ArrayFeatureExtractor'].includes(
        node.opType,
      )
    )
      return undefined;
    // A table of labels comes before the one that is looked up.
    value = node.inputs.find((input) => input !== '' && !flow.isConstant(input)) ?? '';
  }
  return flow.carries(value) ? value : undefined;
}

type Last =
  | {
      readonly kind: 'scores';
      readonly node: Node;
      readonly layer: NonNullable<ReturnType<typeof linearLayer>>;
      readonly isPooled: boolean;
      readonly isProbability: boolean;
    }
  | { readonly kind: 'pooler' }
  /** A classifier of classical machine learning, which holds its weights itself. */
  | { readonly kind: 'classical'; readonly node: Node };

/** No model shapes its scores in more steps than that; a chain of thousands is no end of one. */
const mostScoringSteps = 256;

/** Walks back from an output over what only shapes scores, to the last linear layer. */
function findLast(
  output: string,
  flow: DataFlow,
  shapes: Shapes,
  layouts: ReadonlyMap<string, Layout>,
): Last | undefined {
  const size = (value: string): number => shapes.get(value)?.reduce((a, b) => a * b, 1) ?? 0;
  const visited = new Set<string>();
  const walk = (value: string, isPooled: boolean, isProbability: boolean): Last | undefined => {
    if (visited.has(value) || visited.size === mostScoringSteps) return undefined;
    visited.add(value);
    const node = flow.producer(value);
    if (!node || normalising.has(node.opType)) return undefined;
    if (isClassicalClassifier(node)) return { kind: 'classical', node };
    const layer = linearLayer(node, flow);
    if (layer && node.opType !== 'ConvTranspose') {
      if (layer.kind === 'dense' && stringAttribute(node, 'activation', '') === 'Tanh')
        return { kind: 'pooler' };
      return { kind: 'scores', node, layer, isPooled, isProbability };
    }
    const inputs = flow.inputs(node);
    if (node.opType === 'Tanh') {
      const before = walk(inputs[0]!, isPooled, isProbability);
      if (before?.kind !== 'scores' || before.layer.kind !== 'dense') return undefined;
      return isPooler(before.node.outputs[0]!) ? { kind: 'pooler' } : before;
    }
    if (!scoring.has(node.opType)) return undefined;
    // Of two values with data, one is the scale of a dynamic quantisation, or both are scores of like heads; a
    // residual connection or a gate is no scoring.
    const places = inputs.filter((input) => size(input) !== 1 || inputs.length === 1);
    const isHeads =
      places.length > 1 &&
      (node.opType === 'Concat' || node.opType === 'Add') &&
      places.every((input) => sizeBeyond(shapes.get(input) ?? []) === 1) &&
      !isResidual(places, flow);
    // Softmax in single steps: numbers beside their own largest, or their own sum.
    const isOwnScale =
      places.length > 1 &&
      (node.opType === 'Sub' || node.opType === 'Div') &&
      places.slice(1).every((input) => isReductionOf(places[0]!, input, flow));
    if (places.length !== 1 && !isHeads && !isOwnScale) return undefined;
    const pools = pooling.has(node.opType) && positions(places[0]!) > 1 && positions(node.outputs[0]!) === 1;
    for (const input of places) {
      const scores = isProbability || probability.has(node.opType) || (isOwnScale && node.opType === 'Div');
      const found = walk(input, isPooled || pools, scores);
      if (found) return found;
    }
    return undefined;
  };
  /** A vector, and not the few numbers that a regression gives between -1 and 1; of tokens it is a soft cap on the scores of words. */
  const isPooler = (value: string): boolean =>
    positions(value) === 1 && channelCount(shapes.get(value)!, layouts.get(value) ?? 'vector') >= 16;
  const positions = (value: string): number => {
    const shape = shapes.get(value);
    if (!shape)
      throw new GraftError('INVALID_ARGUMENT', `Expected a shape for value "${value}" but none was given.`);
    return positionCount(shape, layouts.get(value) ?? 'vector');
  };
  return walk(output, false, false);
}

/** Whether `scale` is the largest of `value`, or the sum, spread over it again. */
function isReductionOf(value: string, scale: string, flow: DataFlow): boolean {
  let name = scale;
  for (let steps = 0; steps < 6; steps++) {
    const node = flow.producer(name);
    const input = node && flow.inputs(node)[0];
    if (!node || input === undefined) return false;
    if (node.opType === 'ReduceMax' || node.opType === 'ReduceSum') return input === value;
    if (!['Max', 'Reshape', 'Expand', 'Unsqueeze', 'Identity'].includes(node.opType)) return false;
    name = input;
  }
  return false;
}

/** Whether one of the values is made of another one. */
function isResidual(values: readonly string[], flow: DataFlow): boolean {
  return values.some((value) => {
    const before = ancestors(flow, [value]);
    return values.some((other) => other !== value && before.has(other));
  });
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
