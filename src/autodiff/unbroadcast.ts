import type { RuleContext } from './gradient-rule.js';

/**
 * Sums a gradient back over the axes along which `value` was broadcast.
 * @param wide - shape of the gradient in the probe run; default: that of the node's first output
 */
export function unbroadcast(
  at: RuleContext,
  gradient: string,
  value: string,
  wide: readonly number[] = at.shapeOf(at.y[0]!),
): string {
  const shape = at.shapeOf(value);
  const added = wide.length - shape.length;
  const leading = Array.from({ length: added }, (_, axis) => axis);
  const stretched = wide
    .map((_, axis) => axis)
    .filter((axis) => axis >= added && shape[axis - added] === 1 && wide[axis] !== 1);
  if (stretched.length === 0) return reduceSum(at, gradient, leading, 0);
  const summed = reduceSum(at, gradient, [...leading, ...stretched], 1);
  return added === 0 ? summed : at.op('Reshape', [summed, at.shape(value)]);
}

/** ReduceSum over `axes`, which moved from attribute to input with opset 13. */
export function reduceSum(at: RuleContext, value: string, axes: readonly number[], keepdims: 0 | 1): string {
  if (axes.length === 0) return value;
  return at.builder.opset < 13
    ? at.op('ReduceSum', [value], { axes, keepdims })
    : at.op('ReduceSum', [value, at.builder.ints(axes)], { keepdims });
}
