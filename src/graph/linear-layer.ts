import type { Node } from '../onnx/ir.js';
import { intAttribute } from '../onnx/attributes.js';
import type { DataFlow } from './data-flow.js';

/** An operator that multiplies data with weights, in any of the spellings that exporters and optimisers use. */
export interface LinearLayer {
  readonly kind: 'dense' | 'convolution';
  /** The value that is multiplied. */
  readonly data: string;
  /** The weights' value name. */
  readonly weights: string;
}

/** Where each operator takes data and weights. */
const dense: ReadonlyMap<string, readonly [number, number]> = new Map([
  ['Gemm', [0, 1]],
  ['MatMul', [0, 1]],
  ['FusedGemm', [0, 1]],
  ['FusedMatMul', [0, 1]],
  ['FusedMatMulActivation', [0, 1]],
  ['QGemm', [0, 3]],
  ['QLinearMatMul', [0, 3]],
  ['MatMulInteger', [0, 1]],
  ['MatMulInteger16', [0, 1]],
  ['MatMulIntegerToFloat', [0, 1]],
  ['DynamicQuantizeMatMul', [0, 1]],
  ['MatMulNBits', [0, 1]],
  ['Einsum', [0, 1]],
]);

const convolution: ReadonlyMap<string, readonly [number, number]> = new Map([
  ['Conv', [0, 1]],
  ['FusedConv', [0, 1]],
  ['NhwcConv', [0, 1]],
  ['NhwcFusedConv', [0, 1]],
  ['ConvTranspose', [0, 1]],
  ['ConvInteger', [0, 1]],
  ['DeformConv', [0, 1]],
  ['QLinearConv', [0, 3]],
]);

/** Whether the operator multiplies by weights, where one of its operands is constant. */
export function isLinearOperator(opType: string): boolean {
  return dense.has(opType) || convolution.has(opType);
}

/** The node as a linear layer: data on one side, weights (no data) on the other. A product of data with data is none. */
export function linearLayer(node: Node, flow: DataFlow): LinearLayer | undefined {
  const kind = dense.has(node.opType) ? 'dense' : convolution.has(node.opType) ? 'convolution' : undefined;
  if (kind === undefined) return undefined;
  const [a, b] = (kind === 'dense' ? dense : convolution).get(node.opType)!.map((i) => node.inputs[i] ?? '');
  if (a === undefined || b === undefined || b === '') return undefined;
  if (flow.carries(a) && flow.isConstant(b)) return { kind, data: a, weights: b };
  // Weights on the left, as some exporters write x·Wᵀ transposed.
  if (kind === 'dense' && flow.carries(b) && flow.isConstant(a)) return { kind, data: b, weights: a };
  return undefined;
}

/** Whether each channel has filters of its own, so that only a following 1x1 convolution mixes them. */
export function isDepthwise(node: Node, channels: number): boolean {
  return convolution.has(node.opType) && channels > 1 && intAttribute(node, 'group', 1) === channels;
}

/** Operators that let every token look at every other one, fused. */
export const attentionOps: ReadonlySet<string> = new Set([
  'Attention',
  'QAttention',
  'MultiHeadAttention',
  'GroupQueryAttention',
  'PackedAttention',
  'PackedMultiHeadAttention',
  'DecoderMaskedMultiHeadAttention',
  'LongformerAttention',
]);

/** A fused attention, or a product of data with data: queries with keys, weights with values. */
export function isAttention(node: Node, flow: DataFlow): boolean {
  if (attentionOps.has(node.opType)) return true;
  if (node.opType !== 'MatMul' && node.opType !== 'FusedMatMul' && node.opType !== 'Einsum') return false;
  return node.inputs.filter((input) => flow.carries(input)).length >= 2;
}
