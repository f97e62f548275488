/** Means, maxima and normalisations over whole axes, by their definitions. */
import { floatAttribute, intAttribute } from '../../onnx/attributes.js';
import { sizeOf } from '../../tensor/shape.js';
import type { Float64Form, FormContext } from './float64-form.js';

function reduce(
  at: FormContext,
  opType: 'ReduceMean' | 'ReduceMax',
  x: string,
  axes: readonly number[],
): string {
  return at.builder.opset < 18
    ? at.op(opType, [x], { axes, keepdims: 1 })
    : at.op(opType, [x, at.builder.ints(axes)], { keepdims: 1 });
}

const spatial = (shape: readonly number[]): number[] => shape.map((_, axis) => axis).slice(2);

/** (x − mean) / √(var + ε) over `axes`, the mean left out for RMS normalisation. */
function standardize(
  at: FormContext,
  x: string,
  axes: readonly number[],
  epsilon: number,
  centre = true,
): string {
  const centred = centre ? at.op('Sub', [x, reduce(at, 'ReduceMean', x, axes)]) : x;
  const variance = reduce(at, 'ReduceMean', at.op('Mul', [centred, centred]), axes);
  return at.op('Div', [centred, at.op('Sqrt', [at.op('Add', [variance, at.tensor([], [epsilon])])])]);
}

/** A value [C] as [C, 1, …] beside data [N, C, …]. */
function perChannel(at: FormContext, value: string, shape: readonly number[]): string {
  return at.op('Reshape', [value, at.builder.ints([-1, ...spatial(shape).map(() => 1)])]);
}

const instanceNormalization: Float64Form = (at) => {
  const [x, scale, bias] = at.x as [string, string, string];
  const shape = at.shapeOf(x);
  const standard = standardize(at, x, spatial(shape), floatAttribute(at.node, 'epsilon', 1e-5));
  return at.op('Add', [at.op('Mul', [standard, perChannel(at, scale, shape)]), perChannel(at, bias, shape)]);
};

const groupNormalization: Float64Form = (at) => {
  const [x, scale, bias] = at.x as [string, string, string];
  const shape = at.shapeOf(x);
  const [n, c, ...size] = shape as [number, number, ...number[]];
  const groups = intAttribute(at.node, 'num_groups', 1);
  const split = at.op('Reshape', [x, at.builder.ints([n, groups, (c / groups) * sizeOf(size)])]);
  const standard = at.op('Reshape', [
    standardize(at, split, [2], floatAttribute(at.node, 'epsilon', 1e-5)),
    at.builder.ints(shape),
  ]);
  // Until opset 20 there is one scale for a group, since then one for a channel.
  const spread = (value: string): string => {
    if (at.shapeOf(value)[0] === c) return perChannel(at, value, shape);
    const repeated = at.op('Expand', [
      at.op('Reshape', [value, at.builder.ints([groups, 1])]),
      at.builder.ints([groups, c / groups]),
    ]);
    return perChannel(at, repeated, shape);
  };
  return at.op('Add', [at.op('Mul', [standard, spread(scale)]), spread(bias)]);
};

const rmsNormalization: Float64Form = (at) => {
  const [x, scale] = at.x as [string, string];
  const rank = at.shapeOf(x).length;
  const first = intAttribute(at.node, 'axis', -1);
  const axes = Array.from({ length: rank }, (_, axis) => axis).slice(first < 0 ? rank + first : first);
  const standard = standardize(at, x, axes, floatAttribute(at.node, 'epsilon', 1e-5), false);
  return at.op('Mul', [standard, scale]);
};

export const normalizationForms: readonly (readonly [string, Float64Form])[] = [
  ['GlobalAveragePool', (at) => reduce(at, 'ReduceMean', at.x[0]!, spatial(at.shapeOf(at.x[0]!)))],
  ['GlobalMaxPool', (at) => reduce(at, 'ReduceMax', at.x[0]!, spatial(at.shapeOf(at.x[0]!)))],
  ['InstanceNormalization', instanceNormalization],
  ['GroupNormalization', groupNormalization],
  ['RMSNormalization', rmsNormalization],
];
