/** Means, maxima and normalisations over whole axes, by their definitions. */
import { floatAttribute, intAttribute, intsAttribute } from '../../onnx/attributes.js';
import { positiveAxis, sizeOf } from '../../tensor/shape.js';
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

/** The axes from `axis` on. */
function lastAxes(at: FormContext): number[] {
  const rank = at.shapeOf(at.x[0]!).length;
  return Array.from({ length: rank }, (_, axis) => axis).slice(
    positiveAxis(intAttribute(at.node, 'axis', -1), rank),
  );
}

/** Its mean and 1 / √(var + ε) are float32 also of float64. */
const layerNormalization: Float64Form = (at) => {
  const [x, scale, bias] = at.x as [string, string, string?];
  const axes = lastAxes(at);
  const mean = reduce(at, 'ReduceMean', x, axes);
  const centred = at.op('Sub', [x, mean]);
  const variance = reduce(at, 'ReduceMean', at.op('Mul', [centred, centred]), axes);
  const epsilon = at.tensor([], [floatAttribute(at.node, 'epsilon', 1e-5)]);
  const inverse = at.op('Reciprocal', [at.op('Sqrt', [at.op('Add', [variance, epsilon])])]);
  const scaled = at.op('Mul', [at.op('Mul', [centred, inverse]), scale]);
  return [bias ? at.op('Add', [scaled, bias]) : scaled, mean, inverse];
};

const rmsNormalization: Float64Form = (at) => {
  const [x, scale] = at.x as [string, string];
  const standard = standardize(at, x, lastAxes(at), floatAttribute(at.node, 'epsilon', 1e-5), false);
  return at.op('Mul', [standard, scale]);
};

const meanVarianceNormalization: Float64Form = (at) => {
  const rank = at.shapeOf(at.x[0]!).length;
  const axes = (intsAttribute(at.node, 'axes') ?? [0, 2, 3]).map((axis) => positiveAxis(axis, rank));
  return standardize(at, at.x[0]!, axes, 0);
};

/** x / (bias + α/size · Σ x² over neighbouring channels)^β, the sums as a product with a band matrix. */
const localResponseNormalization: Float64Form = (at) => {
  const x = at.x[0]!;
  const shape = at.shapeOf(x);
  const [n, c, ...size] = shape as [number, number, ...number[]];
  const width = intAttribute(at.node, 'size', 1);
  const share = floatAttribute(at.node, 'alpha', 1e-4) / width;
  const band = Array.from({ length: c * c }, (_, i) => {
    const offset = (i % c) - Math.floor(i / c);
    return offset >= -Math.floor((width - 1) / 2) && offset <= Math.ceil((width - 1) / 2) ? share : 0;
  });
  const squares = at.op('Reshape', [at.op('Mul', [x, x]), at.builder.ints([n, c, sizeOf(size)])]);
  const sums = at.op('Reshape', [
    at.op('MatMul', [at.tensor([c, c], band), squares]),
    at.builder.ints(shape),
  ]);
  const base = at.op('Add', [sums, at.tensor([], [floatAttribute(at.node, 'bias', 1)])]);
  return at.op('Mul', [x, at.op('Pow', [base, at.tensor([], [-floatAttribute(at.node, 'beta', 0.75)])])]);
};

export const normalizationForms: readonly (readonly [string, Float64Form])[] = [
  ['GlobalAveragePool', (at) => reduce(at, 'ReduceMean', at.x[0]!, spatial(at.shapeOf(at.x[0]!)))],
  ['GlobalMaxPool', (at) => reduce(at, 'ReduceMax', at.x[0]!, spatial(at.shapeOf(at.x[0]!)))],
  ['InstanceNormalization', instanceNormalization],
  ['GroupNormalization', groupNormalization],
  ['LayerNormalization', layerNormalization],
  ['RMSNormalization', rmsNormalization],
  ['SimplifiedLayerNormalization', rmsNormalization],
  ['MeanVarianceNormalization', meanVarianceNormalization],
  ['LRN', localResponseNormalization],
];
