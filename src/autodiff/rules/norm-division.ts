/**
 * Division by a norm of the values around.
 *
 *   LpNormalization    y = x / ‖x‖ₚ along an axis
 *                      p = 2: dx = (dy − y · Σ dy·y) / ‖x‖₂
 *                      p = 1: dx = (dy − sign(x) · Σ dy·y) / ‖x‖₁
 *   LRN                D = bias + α/size · Σ x² over `size` neighbouring channels,  y = x · D^−β
 *                      dx = dy · D^−β − 2αβ/size · x · Σ dy·y/D, summed over the channels that x was a neighbour of
 */
import { floatAttribute, intAttribute } from '../../onnx/attributes.js';
import { float32 } from '../../tensor/tensor.js';
import { positiveAxis } from '../../tensor/shape.js';
import { choose, keepWhere, reshape, reshapeLike } from '../append.js';
import type { GradientRule, RuleContext } from '../gradient-rule.js';
import { reduceSum } from '../unbroadcast.js';

export const normDivision: readonly GradientRule[] = [
  {
    opTypes: ['LpNormalization'],
    differentiable: [0],
    backward(at) {
      const x = at.x[0]!;
      const [y, dY] = [at.y[0]!, at.dY[0]!];
      const axis = [positiveAxis(intAttribute(at.node, 'axis', -1), at.shapeOf(x).length)];
      const isSquare = intAttribute(at.node, 'p', 2) === 2;
      const powers = isSquare ? at.op('Mul', [x, x]) : at.op('Abs', [x]);
      const sum = reduceSum(at, powers, axis, 1);
      const norm = isSquare ? at.op('Sqrt', [sum]) : sum;
      const along = reduceSum(at, at.op('Mul', [dY, y]), axis, 1);
      const direction = isSquare ? y : signOf(at, x);
      const across = at.op('Sub', [dY, at.op('Mul', [direction, along])]);
      // Where everything is zero the operator gives zero, and so does its gradient.
      const isPositive = at.op('Greater', [norm, at.scalar(0)]);
      const divided = at.op('Div', [across, choose(at, isPositive, norm, at.scalar(1))]);
      return new Map([[0, keepWhere(at, isPositive, divided)]]);
    },
  },
  {
    opTypes: ['LRN'],
    differentiable: [0],
    backward(at) {
      const x = at.x[0]!;
      const dY = at.dY[0]!;
      const [alpha, beta, bias] = [
        floatAttribute(at.node, 'alpha', 1e-4),
        floatAttribute(at.node, 'beta', 0.75),
        floatAttribute(at.node, 'bias', 1),
      ];
      const size = intAttribute(at.node, 'size', 1);
      const scalar = (value: number): string => at.scalar(value);
      const sums = neighbourSums(at, size);
      const squares = at.op('Mul', [sums.over(at.op('Mul', [x, x])), scalar(alpha / size)]);
      const D = at.op('Add', [squares, scalar(bias)]);
      const direct = at.op('Mul', [dY, at.op('Pow', [D, scalar(-beta)])]);
      const share = sums.back(at.op('Div', [at.op('Mul', [dY, at.y[0]!]), D]));
      const indirect = at.op('Mul', [at.op('Mul', [x, share]), scalar((2 * alpha * beta) / size)]);
      return new Map([[0, at.op('Sub', [direct, indirect])]]);
    },
  },
];

/** Sign came with opset 9. */
function signOf(at: RuleContext, x: string): string {
  if (at.opset >= 9) return at.op('Sign', [x]);
  const [zero, one] = [at.scalar(0), at.scalar(1)];
  const below = choose(at, at.op('Less', [x, zero]), at.scalar(-1), zero);
  return choose(at, at.op('Greater', [x, zero]), one, below);
}

/** Sums over neighbouring channels as a product with a band matrix, and their transpose. */
function neighbourSums(at: RuleContext, size: number) {
  const x = at.x[0]!;
  const channels = at.shapeOf(x)[1]!;
  const before = Math.floor((size - 1) / 2);
  const after = Math.ceil((size - 1) / 2);
  const band = new Float32Array(channels * channels);
  const transposed = new Float32Array(channels * channels);
  for (let c = 0; c < channels; c++) {
    for (let other = Math.max(0, c - before); other <= Math.min(channels - 1, c + after); other++) {
      band[c * channels + other] = 1;
      transposed[other * channels + c] = 1;
    }
  }
  const apply = (matrix: Float32Array) => (value: string): string => {
    const name = at.builder.constant('const/band', float32([channels, channels], matrix));
    const product = at.op('MatMul', [name, reshape(at, value, [0, channels, -1])]);
    return reshapeLike(at, product, x);
  }; // prettier-ignore
  return { over: apply(band), back: apply(transposed) };
}
