/**
 * Products with what ONNX Runtime joins to them:
 *
 *   FusedMatMul   α · op(A) op(B)       FusedConv   activation(conv(X, W, b) + Z)       FusedGemm   activation(gemm(A, B, C))
 */
import {
  type AttributeInput,
  floatAttribute,
  floatsAttribute,
  intAttribute,
  stringAttribute,
} from '../../onnx/attributes.js';
import type { Node } from '../../onnx/ir.js';
import type { Composition, CompositionContext } from './composition.js';

export const fusedMatMul: Composition = (at) => {
  const { node } = at;
  const [a, b] = (['A', 'B'] as const).map((side, i) =>
    turn(at, at.x[i]!, intAttribute(node, `trans${side}`, 0) === 1, intAttribute(node, `transBatch${side}`, 0) === 1),
  ) as [string, string]; // prettier-ignore
  const alpha = floatAttribute(node, 'alpha', 1);
  const product = at.op('MatMul', [a, b], { shape: at.shapeOf(node.outputs[0]!) });
  return alpha === 1 ? product : at.op('Mul', [product, at.scalar(alpha)]);
};

/** @param movesBatch - the first axis lies before the last one instead, and the batch axes in front */
function turn(at: CompositionContext, value: string, swaps: boolean, movesBatch: boolean): string {
  const rank = at.shapeOf(value).length;
  if (rank < 2) return value;
  const axes = Array.from({ length: rank }, (_, axis) => axis);
  const perm = movesBatch ? [...axes.slice(1, -1), 0, rank - 1] : axes;
  if (swaps) perm.push(...perm.splice(-2).reverse());
  return perm.every((from, to) => from === to)
    ? value
    : at.op('Transpose', [value], { attributes: { perm } });
}

export const fusedConvolution: Composition = (at) => {
  const { node } = at;
  const [X, W, bias, added] = at.x as [string, string, ...(string | undefined)[]];
  const shape = at.shapeOf(node.outputs[0]!);
  const inputs = [X, W, ...(bias ? [bias] : [])];
  let y = at.op('Conv', inputs, { attributes: copied(node, /^activation/), shape });
  if (added) y = at.op('Add', [y, added]);
  const [first, second] = floatsAttribute(node, 'activation_params') ?? [];
  return activate(at, y, [first, second]);
};

export const fusedGemm: Composition = (at) => {
  const { node } = at;
  const shape = at.shapeOf(node.outputs[0]!);
  const y = at.op('Gemm', at.x, { attributes: copied(node, /^activation/), shape });
  const read = (name: string): number | undefined =>
    node.attributes.has(name) ? floatAttribute(node, name, 0) : undefined;
  return activate(at, y, [read('activation_alpha'), read('activation_beta')]);
};

/** The node's attributes but those whose name matches. */
function copied({ attributes }: Node, except: RegExp): Record<string, AttributeInput> {
  const kept: Record<string, AttributeInput> = {};
  for (const [name, attribute] of attributes) {
    if (except.test(name)) continue;
    if (attribute.kind === 'int') kept[name] = Number(attribute.value);
    else if (attribute.kind === 'ints') kept[name] = attribute.value.map(Number);
    else if (attribute.kind === 'float') kept[name] = { float: attribute.value };
    else if (attribute.kind === 'string') kept[name] = new TextDecoder().decode(attribute.value);
  }
  return kept;
}

function activate(
  at: CompositionContext,
  x: string,
  [alpha, beta]: readonly [number | undefined, number | undefined],
): string {
  const opType = stringAttribute(at.node, 'activation', '');
  switch (opType) {
    case '':
      return x;
    case 'Relu':
    case 'Sigmoid':
    case 'Tanh':
      return at.op(opType, [x]);
    case 'LeakyRelu':
      return at.op(opType, [x], { attributes: { alpha: { float: alpha ?? 0.01 } } });
    case 'HardSigmoid':
      return at.op(opType, [x], { attributes: { alpha: { float: alpha ?? 0.2 }, beta: { float: beta ?? 0.5 } } });
    case 'Clip': {
      const [min, max] = [alpha ?? 0, beta ?? 0];
      return at.opset < 11
        ? at.op('Clip', [x], { attributes: { min: { float: min }, max: { float: max } } })
        : at.op('Clip', [x, at.scalar(min), at.scalar(max)]);
    }
    default:
      return at.refuse(`the activation ${opType}`);
  }
} // prettier-ignore
