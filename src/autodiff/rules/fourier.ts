/**
 * Discrete Fourier transforms. The matrix F of one, scaled or not, is symmetric. So with the conjugate z* of z
 *
 *   y = F x      dX = F* dY = (F dY*)* = s(F s(dY)),   s(a + ib) = b + ia
 *
 * is the same transform between two exchanges of real and imaginary parts, at any length. Of a real x the real part is wanted.
 * What `dft_length` cuts off or fills up before it, and the coefficients that `onesided` cuts off after it, have zeros or nothing for
 * a gradient.
 */
import { GraftError } from '../../errors.js';
import { intAttribute } from '../../onnx/attributes.js';
import { positiveAxis } from '../../tensor/shape.js';
import type { GradientRule, RuleContext } from '../gradient-rule.js';

export const fourier: readonly GradientRule[] = [
  {
    opTypes: ['DFT'],
    differentiable: [0],
    backward(at) {
      const [x, length = ''] = at.x as [string, string?];
      const inverse = intAttribute(at.node, 'inverse', 0);
      const isOnesided = intAttribute(at.node, 'onesided', 0) === 1;
      if (isOnesided && inverse === 1) refuse(at, 'goes back from one half of the coefficients');
      const axis = transformedAxis(at);
      const sizeOfX = sizeAlong(at, x, axis);
      const size = length === '' ? sizeOfX : at.op('Reshape', [length, at.builder.ints([1])]);
      const dY = isOnesided ? resized(at, at.dY[0]!, axis, size) : at.dY[0]!;
      const axisInput = at.x[2] ? ['', at.x[2]] : [];
      const transformed = at.op('DFT', [parts(at, dY, [1, 0]), ...axisInput], {
        inverse,
        ...(at.opset < 20 && { axis }),
      });
      const isReal = at.shapeOf(x).at(-1) === 1;
      const dX = parts(at, transformed, isReal ? [1] : [1, 0]);
      return new Map([[0, length === '' ? dX : resized(at, dX, axis, sizeOfX)]]);
    },
  },
];

/** An attribute before opset 20, an input since. */
function transformedAxis(at: RuleContext): number {
  const rank = at.shapeOf(at.x[0]!).length;
  if (at.opset < 20) return positiveAxis(intAttribute(at.node, 'axis', 1), rank);
  if (!at.x[2]) return rank - 2;
  const axis = at.constantOf(at.x[2]) ?? refuse(at, 'computes its axis');
  return positiveAxis(Number(axis.data[0]), rank);
}

function refuse(at: RuleContext, why: string): never {
  throw new GraftError(
    'NO_GRADIENT_RULE',
    `DFT "${at.node.name}" ${why}, for which there is no gradient rule.`,
  );
}

/** Real (0) and imaginary (1) parts, in another order or one of them. */
function parts(at: RuleContext, value: string, which: readonly number[]): string {
  return at.op('Gather', [value, at.builder.ints(which)], { axis: -1 });
}

/** [1] int64, of the run. */
function sizeAlong(at: RuleContext, value: string, axis: number): string {
  return at.op('Gather', [at.shape(value), at.builder.ints([axis])], { axis: 0 });
}

/** Cut off, or filled up with zeros, at the end of an axis. */
function resized(at: RuleContext, value: string, axis: number, size: string): string {
  const rank = at.shapeOf(at.x[0]!).length;
  const missing = at.op('Sub', [size, sizeAlong(at, value, axis)]);
  const none = (count: number): string => at.builder.ints(new Array<number>(count).fill(0));
  const pads = [none(rank + axis), missing, none(rank - axis - 1)];
  return at.op('Pad', [value, at.op('Concat', pads, { axis: 0 })]);
}
