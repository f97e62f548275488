/** The last layer of a model before one of its outputs, looking through what only shapes scores. */
import { stringAttribute } from '../onnx/attributes.js';
import type { Node } from '../onnx/ir.js';
import { sizeOf } from '../tensor/shape.js';
import { type DataFlow, isAnyMadeOfAnother } from './data-flow.js';
import { isClassicalClassifier, normalising, pooling, probability, scoring } from './ending-operators.js';
import { type LinearLayer, linearLayer } from './linear-layer.js';
import type { ValueLayouts } from './value-layout.js';

export interface ScoringLayer {
  readonly kind: 'scores';
  readonly node: Node;
  readonly layer: LinearLayer;
  /** Whether its positions are pooled to one after it. */
  readonly isPooled: boolean;
  /** Whether a softmax or sigmoid follows. */
  readonly isProbability: boolean;
}

export type LastLayer =
  | ScoringLayer
  /** A dense layer and tanh, as BERT has behind its class token. */
  | { readonly kind: 'pooler' }
  /** A classifier of classical machine learning, which holds its weights itself. */
  | { readonly kind: 'classical'; readonly node: Node };

/** No model shapes its scores in more steps than that; a chain of thousands is no end of one. */
const mostScoringSteps = 256;

/** Undefined where something else than shaping comes first: a sum with what was before, a normalisation, an activation. */
export function findLastLayer(output: string, flow: DataFlow, layouts: ValueLayouts): LastLayer | undefined {
  const visited = new Set<string>();
  return walk(output, { isPooled: false, isProbability: false });

  function walk(
    value: string,
    after: Pick<ScoringLayer, 'isPooled' | 'isProbability'>,
  ): LastLayer | undefined {
    if (visited.has(value) || visited.size === mostScoringSteps) return undefined;
    visited.add(value);
    const node = flow.producer(value);
    if (!node || normalising.has(node.opType)) return undefined;
    if (isClassicalClassifier(node)) return { kind: 'classical', node };
    const layer = linearLayer(node, flow);
    if (layer && node.opType !== 'ConvTranspose') {
      const withTanh = layer.kind === 'dense' && stringAttribute(node, 'activation', '') === 'Tanh';
      return withTanh ? { kind: 'pooler' } : { kind: 'scores', node, layer, ...after };
    }
    if (node.opType === 'Tanh') {
      const before = walk(flow.inputs(node)[0]!, after);
      if (before?.kind !== 'scores' || before.layer.kind !== 'dense') return undefined;
      return isPooler(before.node.outputs[0]!) ? { kind: 'pooler' } : before;
    }
    if (!scoring.has(node.opType)) return undefined;
    const inputs = scoredInputs(node, flow, layouts);
    // Numbers divided by their own sum are softmax in single steps.
    const isProbability = probability.has(node.opType) || (inputs.length > 1 && node.opType === 'Div');
    const isPooled =
      pooling.has(node.opType) &&
      inputs.length > 0 &&
      layouts.positions(inputs[0]!) > 1 &&
      layouts.positions(value) === 1;
    for (const input of inputs) {
      const found = walk(input, {
        isPooled: after.isPooled || isPooled,
        isProbability: after.isProbability || isProbability,
      });
      if (found) return found;
    }
    return undefined;
  }

  /** A vector, and not the few numbers that a regression gives between -1 and 1; of tokens it is a soft cap on the scores of words. */
  function isPooler(value: string): boolean {
    return layouts.positions(value) === 1 && layouts.channels(value) >= 16;
  }
}

/**
 * The scores that an operator shapes: its one input with data, scores of several heads that it joins, or numbers and what
 * they are scaled by. None where it does more: a residual connection or a gate is no scoring.
 */
function scoredInputs(node: Node, flow: DataFlow, layouts: ValueLayouts): readonly string[] {
  const all = flow.inputs(node);
  // A single number is the scale of a dynamic quantisation.
  const inputs = all.length === 1 ? all : all.filter((input) => sizeOf(layouts.shape(input)) !== 1);
  const [first, ...others] = inputs;
  if (first === undefined || others.length === 0) return inputs;
  const isShaping =
    node.opType === 'Concat' || node.opType === 'Add'
      ? inputs.every((input) => isLine(layouts.shape(input))) && !isAnyMadeOfAnother(flow, inputs)
      : (node.opType === 'Sub' || node.opType === 'Div') &&
        others.every((input) => isReductionOf(first, input, flow));
  return isShaping ? inputs : [];
}

/** Whether one axis alone is longer than 1, and there are two or more. */
export function isVector(shape: readonly number[]): boolean {
  return shape.length >= 2 && isLine(shape);
}

function isLine(shape: readonly number[]): boolean {
  return shape.length === 0 || sizeOf(shape) === Math.max(...shape);
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
