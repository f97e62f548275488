/** The sliding window of a convolution or pooling node with all its defaults and automatic padding worked out. */
import { intsAttribute, stringAttribute } from '../../onnx/attributes.js';
import type { Node } from '../../onnx/ir.js';

/** One entry for each spatial axis, except `pads`: all the beginnings, then all the ends. */
export interface Window {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly pads: readonly number[];
}

/** @param size - of the input's spatial axes; @param kernel - for nodes that need not say it themselves */
export function resolveWindow(node: Node, size: readonly number[], kernel?: readonly number[]): Window {
  const { kernelShape, strides, dilations } = windowAttributes(node, kernel ?? size);
  const total = size.map((length, i) => {
    const outputs = Math.ceil(length / strides[i]!);
    return Math.max(0, (outputs - 1) * strides[i]! + dilations[i]! * (kernelShape[i]! - 1) + 1 - length);
  });
  return { kernel: kernelShape, strides, dilations, pads: resolvePads(node, total) };
}

/**
 * The window of a ConvTranspose, seen from its output: `pads` are what is cut off there.
 * An explicit output_shape decides the padding; what cannot be padded away appears as further rows at the end.
 */
export function resolveTransposedWindow(
  node: Node,
  size: readonly number[],
  kernel: readonly number[],
): Window {
  const { kernelShape, strides, dilations } = windowAttributes(node, kernel);
  const wanted = intsAttribute(node, 'output_shape')?.slice(-size.length);
  const added = intsAttribute(node, 'output_padding') ?? size.map(() => 0);
  const automatic = stringAttribute(node, 'auto_pad', 'NOTSET').startsWith('SAME');
  const total = size.map((length, i) => {
    const natural = (length - 1) * strides[i]! + added[i]! + dilations[i]! * (kernelShape[i]! - 1) + 1;
    return Math.max(0, natural - (wanted?.[i] ?? length * strides[i]!));
  });
  const pads = wanted && !automatic ? split(total, false) : resolvePads(node, total);
  return { kernel: kernelShape, strides, dilations, pads };
}

function windowAttributes(node: Node, kernel: readonly number[]) {
  const kernelShape = intsAttribute(node, 'kernel_shape') ?? kernel;
  const ones = kernelShape.map(() => 1);
  return {
    kernelShape,
    strides: intsAttribute(node, 'strides') ?? ones,
    dilations: intsAttribute(node, 'dilations') ?? ones,
  };
}

/** @param total - padding of each axis under auto_pad SAME */
function resolvePads(node: Node, total: readonly number[]): readonly number[] {
  switch (stringAttribute(node, 'auto_pad', 'NOTSET')) {
    case 'SAME_UPPER':
      return split(total, true);
    case 'SAME_LOWER':
      return split(total, false);
    case 'VALID':
      return [...total, ...total].fill(0);
    default:
      return intsAttribute(node, 'pads') ?? [...total, ...total].fill(0);
  }
}

/** The odd one goes to the end (`upper`) or to the beginning. */
function split(total: readonly number[], upper: boolean): readonly number[] {
  const begin = total.map((pad) => (upper ? Math.floor(pad / 2) : Math.ceil(pad / 2)));
  return [...begin, ...total.map((pad, i) => pad - begin[i]!)];
}
