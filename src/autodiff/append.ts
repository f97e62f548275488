/** Operators that several rules append, in the form that the graph's opset knows. */
import { dtypeInfo } from '../tensor/dtype.js';
import type { RuleContext } from './gradient-rule.js';

type Appending = Pick<RuleContext, 'op' | 'builder'>;

/** One −1 stands for what is left over, 0 for "as in the input". */
export function reshape(at: Appending, value: string, shape: readonly number[]): string {
  return at.op('Reshape', [value, at.builder.ints(shape)]);
}

/** The value in the shape that `like` has at run time. */
export function reshapeLike(at: RuleContext, value: string, like: string): string {
  return at.op('Reshape', [value, at.shape(like)]);
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

/** What an element of the node's input counts in a mean that is its output: by the sizes of the run, as the batch may be among the axes. */
export function meanShare(at: RuleContext): string {
  const to = dtypeInfo(at.dtypeOf(at.x[0]!)).code;
  const [inner, outer] = [at.x[0]!, at.y[0]!].map((value) => at.op('Cast', [at.op('Size', [value])], { to }));
  return at.op('Div', [outer!, inner!]);
}

/** `value[starts : ends : steps]` along `axes`. */
export function slice(
  at: Appending,
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
  attributes: { readonly transA?: 1; readonly transB?: 1; readonly alpha?: { readonly float: number } } = {},
): string {
  return at.op('Gemm', at.opset < 11 ? [a, b, at.scalar(0)] : [a, b], attributes);
}

/** `yes` where the condition holds, else `no`, both broadcast; Where came with opset 9. */
export function choose(at: RuleContext, condition: string, yes: string, no: string): string {
  if (at.opset >= 9) return at.op('Where', [condition, yes, no]);
  const weight = at.op('Cast', [condition], { to: dtypeInfo(at.dtypeOf(at.y[0]!)).code });
  return at.op('Add', [no, at.op('Mul', [weight, at.op('Sub', [yes, no])])]);
}

/** `value` where the condition holds, else 0. */
export function keepWhere(at: RuleContext, condition: string, value: string): string {
  return at.opset >= 9 ? at.op('Where', [condition, value, at.scalar(0)]) : maskWhere(at, condition, value);
}

/**
 * `value` where the condition holds, else 0, for values that are finite everywhere: 0 · ∞ would be NaN. ONNX Runtime
 * takes a third of the time that Where takes.
 */
export function maskWhere(at: RuleContext, condition: string, value: string): string {
  return at.op('Mul', [value, at.op('Cast', [condition], { to: dtypeInfo(at.dtypeOf(at.y[0]!)).code })]);
}

/** Equality of floats where a ≤ b is known; Equal takes floats from opset 11 on. */
export function equalsBound(at: RuleContext, a: string, b: string): string {
  return at.opset >= 11 ? at.op('Equal', [a, b]) : at.op('Not', [at.op('Less', [a, b])]);
}

/** Bounds as inputs from opset 11 on. */
export function clip(at: RuleContext, value: string, low: number, high: number): string {
  return at.opset >= 11
    ? at.op('Clip', [value, at.scalar(low), at.scalar(high)])
    : at.op('Clip', [value], { min: { float: low }, max: { float: high } });
}

/** Puts axes of size 1 in; an attribute before opset 13. */
export function unsqueeze(at: RuleContext, value: string, axes: readonly number[]): string {
  if (axes.length === 0) return value;
  return at.opset < 13
    ? at.op('Unsqueeze', [value], { axes })
    : at.op('Unsqueeze', [value, at.builder.ints(axes)]);
}

/** The value repeated to the shape that `like` has at run time. */
export function expandLike(at: RuleContext, value: string, like: string): string {
  // Before Expand (opset 8), adding zeros broadcasts.
  if (at.opset < 8) return at.op('Add', [value, at.op('Mul', [like, at.scalar(0)])]);
  return at.op('Expand', [value, at.shape(like)]);
}

/** Zeros in the shape that `like` has at run time. WebGPU has Expand but no ConstantOfShape. */
export function zerosLike(at: RuleContext, like: string): string {
  return expandLike(at, at.scalar(0), like);
}
