import type { CompositionContext } from './composition.js';

/** `value` cut along its last axis into pieces of `sizes`. */
export function cut(at: CompositionContext, value: string, sizes: readonly number[]): string[] {
  const shape = at.shapeOf(value);
  const axis = shape.length - 1;
  const shapes = sizes.map((size) => shape.with(axis, size));
  return at.opset < 13
    ? at.ops('Split', [value], shapes, { attributes: { axis, split: sizes } })
    : at.ops('Split', [value, at.ints(sizes)], shapes, { attributes: { axis } });
}
