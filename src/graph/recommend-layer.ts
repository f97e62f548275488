/** The value that a new head should stand on, and why. */
import type { Node } from '../onnx/ir.js';
import type { DataFlow } from './data-flow.js';
import { deepestStage } from './deepest-stage.js';
import { type Ending, findEnding } from './find-ending.js';
import { isFlatMap } from './flat-maps.js';
import { lastTokens } from './last-tokens.js';
import { latentVector } from './latent-vector.js';
import { type LinearLayer, linearLayer } from './linear-layer.js';
import type { ValueLayouts } from './value-layout.js';

export interface Recommendation {
  readonly value: string;
  readonly reason: string;
}

/**
 * Recommended is what entered the old classifier, else the model's own embedding, else the code of an autoencoder, else the last
 * tokens of a transformer, else the end of the backbone of a convolutional network, else what the last layer of weights takes.
 * @param mixing - recurrent layers over the examples, which the flow ends at
 */
export function recommendLayer(
  flow: DataFlow,
  layouts: ValueLayouts,
  mixing: ReadonlySet<Node>,
): Recommendation | undefined {
  const ending = findEnding(flow, layouts);
  const isComputed = (value: string): boolean => flow.producer(value) !== undefined;
  const isMap = (value: string): boolean => layouts.shape(value).length === 4 && layouts.positions(value) > 1;
  if (ending?.kind === 'classifier' && isComputed(ending.feature)) {
    const form = layouts.positions(ending.feature) > 1 ? 'last maps' : 'last vector';
    return {
      value: ending.feature,
      reason: `${form} before the old classifier of ${classes(ending)}`,
    };
  }
  if (ending?.kind === 'embedding' && isComputed(ending.feature)) {
    return { value: ending.feature, reason: "the model's own embedding, its output" };
  }
  const code = flow.graph.outputs.some(({ name }) => isMap(name)) ? latentVector(flow, layouts) : undefined;
  if (code !== undefined)
    return { value: code, reason: 'narrowest vector that the maps at the end are made of' };
  const tokens = lastTokens(flow, layouts);
  const stage = deepestStage(flow, layouts);
  const width = (value: string | undefined): number => (value === undefined ? 0 : layouts.channels(value));
  // Boxes or maps at the end: a detector, a segmenter. Their backbone is the better source where it is the richer one.
  const predictsPlaces = flow.graph.outputs.some(({ name }) => {
    const shape = layouts.shape(name);
    return (
      (shape.length >= 2 && shape.at(-1) === 4) ||
      (shape.length === 4 && layouts.layout(name) === 'channelsFirst') ||
      isFlatMap(name, flow, layouts)
    );
  });
  if (!predictsPlaces || width(stage) <= width(tokens)) {
    if (ending?.kind === 'tokenClassifier' && isComputed(ending.feature) && !predictsPlaces) {
      return { value: ending.feature, reason: `last tokens before the old classifier of ${classes(ending)}` };
    }
    if (tokens !== undefined) return { value: tokens, reason: 'last tokens of the transformer' };
  }
  if (ending?.kind === 'pooler' && isComputed(ending.feature)) {
    return { value: ending.feature, reason: "the model's pooled output" };
  }
  if (stage !== undefined) return { value: stage, reason: 'richest maps at the end of the backbone' };
  return (
    beforeRecurrence(flow, layouts, mixing) ??
    beforeLastLayer('dense', flow, layouts) ??
    beforeLastLayer('convolution', flow, layouts)
  );
}

/** Of a network that goes on from example to example: the last value of one alone. */
function beforeRecurrence(
  flow: DataFlow,
  layouts: ValueLayouts,
  mixing: ReadonlySet<Node>,
): Recommendation | undefined {
  const value = [...mixing][0]?.inputs[0];
  if (value === undefined || !flow.producer(value) || layouts.shape(value)[0] !== 1) return undefined;
  return { value, reason: 'last value of one example: a recurrence over the examples follows' };
}

/** Of a network whose end has no known form: the last value that such a layer multiplies. */
function beforeLastLayer(
  kind: LinearLayer['kind'],
  flow: DataFlow,
  layouts: ValueLayouts,
): Recommendation | undefined {
  const last = flow.graph.nodes.findLast((node) => linearLayer(node, flow)?.kind === kind);
  let value = last && linearLayer(last, flow)!.data;
  // Tokens are multiplied as the rows of one matrix.
  while (value !== undefined && layouts.shape(value)[0] !== 1) {
    const node = flow.producer(value);
    value =
      node && ['Reshape', 'Flatten', 'Squeeze'].includes(node.opType) ? flow.inputs(node)[0] : undefined;
  }
  if (value === undefined || !flow.producer(value) || layouts.shape(value).length < 2) return undefined;
  return { value, reason: `what enters the last ${kind === 'dense' ? 'dense layer' : kind}` };
}

function classes({ size }: Ending): string {
  return `${size} ${size === 1 ? 'score' : 'classes'}`;
}
