/**
 * Resize and Upsample: interpolation is linear and separable in every mode, so dX = Mᵀ dY along each resized axis,
 * with the matrices that the operator itself gives (separable.ts). Repeating pixels a whole number of times is undone
 * by a sum instead.
 */
import { GraftError } from '../../errors.js';
import {
  type AttributeInput,
  floatAttribute,
  floatsAttribute,
  intAttribute,
  intsAttribute,
  stringAttribute,
} from '../../onnx/attributes.js';
import { positiveAxis } from '../../tensor/shape.js';
import { float32 } from '../../tensor/tensor.js';
import { reshape, slice } from '../append.js';
import type { GradientRule, RuleContext } from '../gradient-rule.js';
import { reduceSum } from '../unbroadcast.js';
import { applyTransposed, identity } from './separable.js';

export const resize: readonly GradientRule[] = [
  {
    opTypes: ['Resize', 'Upsample'],
    differentiable: [0],
    backward(at) {
      refuse(at);
      const input = at.shapeOf(at.x[0]!);
      let shape = at.shapeOf(at.y[0]!);
      let dX = at.dY[0]!;
      if (repeatsPixels(at, input, shape)) return new Map([[0, sumRepeats(at, dX, input, shape)]]);
      for (const [axis, size] of input.entries()) {
        if (size === shape[axis] && isUnit(at, axis)) continue;
        dX = applyTransposed(at, dX, shape, axis, matrixOf(at, axis, size, shape[axis]!), size);
        shape = shape.with(axis, size);
      }
      return new Map([[0, dX]]);
    },
  },
];

function refuse({ node }: RuleContext): void {
  const policy = stringAttribute(node, 'keep_aspect_ratio_policy', 'stretch');
  const mode = transformation(node);
  if (policy === 'stretch' && mode !== 'tf_crop_and_resize') return;
  throw new GraftError(
    'NO_GRADIENT_RULE',
    `${node.opType} "${node.name}" has ${policy === 'stretch' ? mode : `keep_aspect_ratio_policy ${policy}`}, for which there is no gradient rule.`,
  );
}

const transformation = (node: RuleContext['node']): string =>
  stringAttribute(node, 'coordinate_transformation_mode', 'half_pixel');

/** Where the scale of an axis is told: in a constant, in a value computed at run time, or only by the sizes. */
type Scale =
  | { readonly kind: 'size' }
  | { readonly kind: 'constant'; readonly value: number }
  | { readonly kind: 'computed'; readonly scales: string; readonly index: number };

function scaleOf(at: RuleContext, axis: number): Scale {
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

function isUnit(at: RuleContext, axis: number): boolean {
  const scale = scaleOf(at, axis);
  return scale.kind === 'size' || (scale.kind === 'constant' ? scale.value === 1 : axis < 2);
}

/** M [out, in] of one axis: the operator on the rows of the identity. */
function matrixOf(at: RuleContext, axis: number, inputSize: number, outputSize: number): string {
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

function attributesOf(node: RuleContext['node']): Record<string, AttributeInput> {
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

/** Output i is input ⌊i/k⌋, with a whole k for each axis. */
function repeatsPixels(at: RuleContext, input: readonly number[], output: readonly number[]): boolean {
  const { node } = at;
  if (stringAttribute(node, 'mode', 'nearest') !== 'nearest') return false;
  const isFloor =
    at.builder.opset < 11 || node.opType === 'Upsample'
      ? true
      : transformation(node) === 'asymmetric'
        ? stringAttribute(node, 'nearest_mode', 'round_prefer_floor') === 'floor'
        : transformation(node) === 'half_pixel' &&
          stringAttribute(node, 'nearest_mode', 'round_prefer_floor').startsWith('round');
  if (!isFloor || input[0] !== output[0]) return false;
  return input.every((size, axis) => {
    const scale = scaleOf(at, axis);
    const ratio = output[axis]! / size;
    return Number.isInteger(ratio) && (scale.kind === 'constant' ? scale.value === ratio : isUnit(at, axis));
  });
}

function sumRepeats(
  at: RuleContext,
  dY: string,
  input: readonly number[],
  output: readonly number[],
): string {
  const split: number[] = [-1];
  const summed: number[] = [];
  for (const [axis, size] of input.entries()) {
    if (axis === 0) continue;
    split.push(size);
    if (output[axis] === size) continue;
    summed.push(split.length);
    split.push(output[axis]! / size);
  }
  return summed.length === 0 ? dY : reduceSum(at, reshape(at, dY, split), summed, 0);
}
