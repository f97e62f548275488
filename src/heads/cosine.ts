/**
 * The cosine head: scores = s · cos(x, w_c), with a learned factor s and a direction w_c for each column. Lengths of
 * features and weights do not matter, which suits few examples and uneven classes (Gidaris & Komodakis 2018).
 *
 * Kept are W' = s · w_c / ‖w_c‖ and the standardisation, since dividing by a length does not commute with it.
 * No penalty counts: it would shrink lengths that have no meaning.
 */
import type { GraphBuilder } from '../onnx/graph-builder.js';
import { lossTape, type Precision } from '../tasks/loss-tape.js';
import { float32, type Tensor } from '../tensor/tensor.js';
import type { CosineSpec, Head, HeadBuilder } from './head.js';

const directions = 'head/directions';
const factor = 'head/factor';
const weight = 'head/weight';
const mean = 'head/mean';
const inverseStd = 'head/inverse_std';

/** Keeps the length of a vector of zeros from being divided by. */
const tiny = 1e-12;

export const cosineHead: HeadBuilder<CosineSpec> = ({ scale }, { dim, columns }): Head => ({
  isConvex: false,
  parameters: new Map([
    [directions, [dim, columns]],
    [factor, [1]],
  ]),
  kept: new Map([
    [weight, [dim, columns]],
    [mean, [dim]],
    [inverseStd, [dim]],
  ]),
  penalized: [],
  penaltyFactor: 1,
  initial(rng) {
    const data = Float32Array.from({ length: dim * columns }, () => rng.normal() / Math.sqrt(dim));
    return new Map([
      [directions, float32([dim, columns], data)],
      [factor, float32([1], [scale])],
    ]);
  },
  append(builder, features, values, { precision = 'float32' } = {}) {
    const op = (opType: string, inputs: readonly string[], name: string): string =>
      builder.op(opType, inputs, { name: `head/${name}` });
    const kept = values.get(weight);
    if (kept !== undefined) {
      const centred = op('Sub', [features, values.get(mean)!], 'centred');
      const scaled = op('Mul', [centred, values.get(inverseStd)!], 'scaled');
      return op('MatMul', [appendUnit(builder, scaled, [dim, 1], precision, 'features'), kept], 'scores');
    }
    const x = appendUnit(builder, features, [dim, 1], precision, 'features');
    const w = appendUnit(builder, values.get(directions)!, [1, dim], precision, 'directions');
    return op('Mul', [op('MatMul', [x, w], 'cosines'), values.get(factor)!], 'scores');
  },
  finish(trained, standardization) {
    const w = trained.get(directions)!.data as Float32Array;
    const s = (trained.get(factor)!.data as Float32Array)[0]!;
    const scaled = new Float32Array(w.length);
    for (let c = 0; c < columns; c++) {
      let squares = tiny;
      for (let d = 0; d < dim; d++) squares += w[d * columns + c]! ** 2;
      const length = Math.sqrt(squares);
      for (let d = 0; d < dim; d++) scaled[d * columns + c] = (s * w[d * columns + c]!) / length;
    }
    return new Map<string, Tensor>([
      [weight, float32([dim, columns], scaled)],
      [mean, float32([dim], standardization?.mean ?? new Float32Array(dim))],
      [
        inverseStd,
        float32([dim], standardization?.std.map((std) => 1 / std) ?? new Float32Array(dim).fill(1)),
      ],
    ]);
  },
});

/**
 * The rows of a matrix, or its columns, at length 1. Sums of squares are products with a vector of ones, [size, 1] or
 * [1, size]: of operators that every opset and provider has.
 */
function appendUnit(
  builder: GraphBuilder,
  x: string,
  onesDims: readonly [number, number],
  precision: Precision,
  name: string,
): string {
  const { constant, scalar } = lossTape(builder, precision);
  const op = (opType: string, inputs: readonly string[], step: string): string =>
    builder.op(opType, inputs, { name: `head/${name}/${step}` });
  const ones = constant(`${name}/ones`, onesDims, new Array<number>(onesDims[0] * onesDims[1]).fill(1));
  const squares = op('Mul', [x, x], 'squares');
  const sum = op('MatMul', onesDims[1] === 1 ? [squares, ones] : [ones, squares], 'square_length');
  return op('Div', [x, op('Sqrt', [op('Add', [sum, scalar(tiny)], 'safe')], 'length')], 'unit');
}
