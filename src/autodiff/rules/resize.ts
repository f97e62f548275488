/**
 * Resize and Upsample: interpolation is linear and separable in every mode, so dX = Mᵀ dY along each resized axis,
 * with the matrices that the operator itself gives (separable.ts). Repeating pixels a whole number of times is undone
 * by a sum instead.
 */
import { GraftError } from '../../errors.js';
import { stringAttribute } from '../../onnx/attributes.js';
import { reshape } from '../append.js';
import type { GradientRule, RuleContext } from '../gradient-rule.js';
import { isSeparable, isUnit, matrixOf, scaleOf, transformation } from '../resize-matrix.js';
import { reduceSum } from '../unbroadcast.js';
import { applyTransposed } from './separable.js';

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
  if (isSeparable(node)) return;
  const policy = stringAttribute(node, 'keep_aspect_ratio_policy', 'stretch');
  const what = policy === 'stretch' ? transformation(node) : `keep_aspect_ratio_policy ${policy}`;
  throw new GraftError(
    'NO_GRADIENT_RULE',
    `${node.opType} "${node.name}" has ${what}, for which there is no gradient rule.`,
  );
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
