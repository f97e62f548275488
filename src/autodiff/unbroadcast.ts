import type { RuleContext } from './gradient-rule.js';

/**
 * Sums a gradient over the axes along which `value` was broadcast, and gives it the value's shape.
 * The gradient has the shape of the node's first output, or already that of the value.
 */
export function unbroadcast(at: RuleContext, gradient: string, value: string): string {
  const wide = at.shapeOf(at.y[0]!);
  const shape = at.shapeOf(value);
  if (!at.node.opType.match(/^(Add|Sub|Mul|Div|Pow|Where|Max|Min|PRelu)$/) || sameShape(wide, shape))
    return gradient;
  const added = wide.length - shape.length;
  const axes = wide
    .map((_, axis) => axis)
    .filter((axis) => axis < added || (shape[axis - added] === 1 && wide[axis] !== 1));
  // Where only leading axes were added, the size of the others may stay free.
  if (axes.every((axis) => axis < added)) return reduceSum(at, gradient, axes, 0);
  const summed = reduceSum(at, gradient, axes, 1);
  if (added === 0) return summed;
  return at.op('Reshape', [summed, at.builder.ints(shape)]);
}

/** ReduceSum over `axes`, which moved from attribute to input with opset 13. */
export function reduceSum(at: RuleContext, value: string, axes: readonly number[], keepdims: 0 | 1): string {
  if (axes.length === 0) return value;
  return at.builder.opset < 13
    ? at.op('ReduceSum', [value], { axes, keepdims })
    : at.op('ReduceSum', [value, at.builder.ints(axes)], { keepdims });
}

function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, axis) => size === b[axis]);
}
