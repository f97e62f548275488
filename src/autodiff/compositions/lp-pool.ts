/**
 * The p-norm of each window, (Σ |x|^p)^(1/p); of windows that move, with a mean that counts the padding as zeros: Σ = size · mean.
 *
 * Where a whole window is zero the norm has no gradient, and none that is finite comes out, as in PyTorch.
 */
import { type AttributeInput, intAttribute, intsAttribute, stringAttribute } from '../../onnx/attributes.js';
import { sizeOf } from '../../tensor/shape.js';
import type { Composition, CompositionContext } from './composition.js';

/** From the sum of |x|^p to the norm. */
function norm(at: CompositionContext, sum: (powers: string) => string): string {
  const p = intAttribute(at.node, 'p', 2);
  const power = (x: string, exponent: number): string =>
    exponent === 1 ? x : at.op('Pow', [x, at.scalar(exponent)], { shape: at.shapeOf(x) });
  const sizes = at.op('Abs', [at.x[0]!], { shape: at.shapeOf(at.x[0]!) });
  return power(sum(power(sizes, p)), 1 / p);
}

export const lpPool: Composition = (at) => {
  const { node } = at;
  if (intAttribute(node, 'ceil_mode', 0) !== 0) at.refuse('a ceil_mode');
  const dilations = intsAttribute(node, 'dilations');
  if (at.opset < 19 && dilations?.some((step) => step !== 1)) at.refuse('dilations before opset 19');
  const kernel = intsAttribute(node, 'kernel_shape')!;
  const attributes: Record<string, AttributeInput> = { kernel_shape: kernel, count_include_pad: 1 };
  for (const name of ['strides', 'pads', ...(at.opset < 19 ? [] : ['dilations'])]) {
    const values = intsAttribute(node, name);
    if (values) attributes[name] = values;
  }
  if (node.attributes.has('auto_pad')) attributes.auto_pad = stringAttribute(node, 'auto_pad', 'NOTSET');
  const shape = at.shapeOf(node.outputs[0]!);
  return norm(at, (x) => {
    const mean = at.op('AveragePool', [x], { attributes, shape });
    return at.op('Mul', [mean, at.scalar(sizeOf(kernel))]);
  });
};

export const globalLpPool: Composition = (at) => {
  const shape = at.shapeOf(at.node.outputs[0]!);
  const axes = shape.map((_, axis) => axis).slice(2);
  return norm(at, (x) =>
    at.opset < 13
      ? at.op('ReduceSum', [x], { attributes: { axes, keepdims: 1 }, shape })
      : at.op('ReduceSum', [x, at.ints(axes)], { attributes: { keepdims: 1 }, shape }),
  );
};
