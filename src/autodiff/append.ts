/** Operators that several rules append, in the form that the graph's opset knows. */
import type { RuleContext } from './gradient-rule.js';

/** One −1 stands for what is left over, 0 for "as in the input". */
export function reshape(at: RuleContext, value: string, shape: readonly number[]): string {
  return at.op('Reshape', [value, at.builder.ints(shape)]);
}

/** The value in the shape that `like` has at run time. */
export function reshapeLike(at: RuleContext, value: string, like: string): string {
  return at.op('Reshape', [value, at.op('Shape', [like])]);
}

export function transpose(at: RuleContext, value: string, perm: readonly number[]): string {
  return perm.every((from, to) => from === to) ? value : at.op('Transpose', [value], { perm });
}

/** ReduceMean over `axes`, keeping them as 1; an attribute before opset 18. */
export function reduceMean(at: RuleContext, value: string, axes: readonly number[]): string {
  return at.builder.opset < 18
    ? at.op('ReduceMean', [value], { axes, keepdims: 1 })
    : at.op('ReduceMean', [value, at.builder.ints(axes)], { keepdims: 1 });
}

/** `value[starts : ends : steps]` along `axes`. */
export function slice(
  at: RuleContext,
  value: string,
  axes: readonly number[],
  starts: readonly number[],
  ends: readonly number[],
  steps?: readonly number[],
): string {
  if (at.builder.opset < 10) return at.op('Slice', [value], { axes, starts, ends });
  const inputs = [starts, ends, axes, ...(steps ? [steps] : [])];
  return at.op('Slice', [value, ...inputs.map((list) => at.builder.ints(list))]);
}

/** A product of two matrices; the third operand may be left out from opset 11 on. */
export function gemm(
  at: RuleContext,
  a: string,
  b: string,
  attributes: { readonly transA?: 1; readonly transB?: 1 } = {},
): string {
  return at.op('Gemm', at.builder.opset < 11 ? [a, b, at.builder.scalar(0)] : [a, b], attributes);
}
