import type { CompositionContext } from './composition.js';

/** The size of an axis at run time, an int64 scalar. */
export function sizeAlong(at: CompositionContext, value: string, axis: number): string {
  const sizes = at.op('Shape', [value], { shape: [at.shapeOf(value).length] });
  return at.op('Gather', [sizes, int64Scalar(at, axis)], { attributes: { axis: 0 }, shape: [] });
}

export function int64Scalar(at: CompositionContext, value: number): string {
  return at.op('Squeeze', [at.ints([value])], { shape: [] });
}
