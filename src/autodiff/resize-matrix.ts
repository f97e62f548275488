/** Interpolation along one axis of Resize and Upsample as a matrix, which the operator itself gives. */
import {
  type AttributeInput,
  floatAttribute,
  floatsAttribute,
  intAttribute,
  intsAttribute,
  stringAttribute,
} from '../onnx/attributes.js';
import type { Node } from '../onnx/ir.js';
import { positiveAxis } from '../tensor/shape.js';
import { float32 } from '../tensor/tensor.js';
import { reshape, slice } from './append.js';
import type { RuleContext } from './gradient-rule.js';
import { identity } from './rules/separable.js';

export type ResizeContext = Pick<RuleContext, 'node' | 'x' | 'builder' | 'op' | 'shapeOf' | 'constantOf'>;

/** Whether each axis is resized by its own scale or size alone. */
export function isSeparable(node: Node): boolean {
  const policy = stringAttribute(node, 'keep_aspect_ratio_policy', 'stretch');
  return policy === 'stretch' && transformation(node) !== 'tf_crop_and_resize';
}

export const transformation = (node: Node): string =>
  stringAttribute(node, 'coordinate_transformation_mode', 'half_pixel');

/** Where the scale of an axis is told: in a constant, in a value computed at run time, or only by the sizes. */
type Scale =
  | { readonly kind: 'size' }
  | { readonly kind: 'constant'; readonly value: number }
  | { readonly kind: 'computed'; readonly scales: string; readonly index: number };

export function scaleOf(at: ResizeContext, axis: number): Scale {
  const { node } = at;
  if (node.inputs[3]) return { kind: 'size' };
  const rank = at.shapeOf(at.x[0]!).length;
  const axes = intsAttribute(node, 'axes')?.map((each) => positiveAxis(each, rank));
  const index = axes ? axes.indexOf(axis) : axis;
  if (index < 0) return { kind: 'constant', value: 1 };
  const attribute = floatsAttribute(node, 'scales')?.[index];
  if (attribute !== undefined) return { kind: 'constant', value: attribute };
  // Resize took the region of interest as its second input with opset 11.
  const scales = node.opType === 'Resize' && at.builder.opset >= 11 ? node.inputs[2]! : node.inputs[1]!;
  const constant = at.constantOf(scales)?.data[index];
  return constant === undefined
    ? { kind: 'computed', scales, index }
    : { kind: 'constant', value: Number(constant) };
}

/** Whether an axis that keeps its size is left as it is. */
export function isUnit(at: ResizeContext, axis: number): boolean {
  const scale = scaleOf(at, axis);
  return scale.kind === 'size' || (scale.kind === 'constant' ? scale.value === 1 : axis < 2);
}

/** M [out, in] of one axis: the operator on the rows of the identity. */
export function matrixOf(at: ResizeContext, axis: number, inputSize: number, outputSize: number): string {
  const { node } = at;
  const eye = identity(at, inputSize, [1, 1]);
  const scale = scaleOf(at, axis);
  const wanted = (): string => {
    if (scale.kind === 'size') return at.builder.ints([1, 1, outputSize, inputSize]);
    if (scale.kind === 'constant')
      return at.builder.constant('const/scales', float32([4], [1, 1, scale.value, 1]));
    const one = at.builder.constant('const/scales', float32([1], [1]));
    const own = slice(at, scale.scales, [0], [scale.index], [scale.index + 1]);
    return at.op('Concat', [one, one, own, one], { axis: 0 });
  };
  const attributes = attributesOf(node);
  let resized: string;
  if (node.opType === 'Upsample' && at.builder.opset < 9) {
    const scales = { floats: [1, 1, scale.kind === 'constant' ? scale.value : 1, 1] };
    resized = at.op('Upsample', [eye], { ...attributes, scales });
  } else if (node.opType === 'Upsample' || at.builder.opset < 11)
    resized = at.op(node.opType, [eye, wanted()], attributes);
  else {
    const inputs = [eye, node.inputs[1] ?? ''];
    resized = at.op(
      'Resize',
      scale.kind === 'size' ? [...inputs, node.inputs[2]!, wanted()] : [...inputs, wanted()],
      attributes,
    );
  }
  return reshape(at, resized, [outputSize, inputSize]);
}

function attributesOf(node: Node): Record<string, AttributeInput> {
  const attributes: Record<string, AttributeInput> = {};
  for (const name of ['mode', 'coordinate_transformation_mode', 'nearest_mode']) {
    if (node.attributes.has(name)) attributes[name] = stringAttribute(node, name, '');
  }
  for (const name of ['exclude_outside', 'antialias']) {
    if (node.attributes.has(name)) attributes[name] = intAttribute(node, name, 0);
  }
  if (node.attributes.has('cubic_coeff_a'))
    attributes['cubic_coeff_a'] = { float: floatAttribute(node, 'cubic_coeff_a', -0.75) };
  return attributes;
}
