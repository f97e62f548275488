/**
 * Convolutions of any number of spatial axes. With stride s, dilation d, padding p and kernel position k:
 *
 *   Conv           Y[n,m,o] = b[m] + Σ_ck W[m,c,k] X[n,c, o·s + k·d − p]
 *   ConvTranspose  Y[n,m, i·s + k·d − p] = b[m] + Σ_c W[c,m,k] X[n,c,i], summed where several i, k meet
 *
 * Each is the other's adjoint, so dX is the other operator with the same weights. dW is a correlation in which the
 * batch is summed like a channel: the gradient steps over the input with the dilation, and is itself dilated by the
 * stride. A kernel of one position is a matrix product and is written as one, which is several times faster.
 *
 * Channel counts are taken from the given shapes; the batch is left free. So are the spatial sizes of a Conv of stride 1, as
 * over the tokens of a text; other strides leave rows over whose number depends on the size, which is taken from the shapes.
 */
import { intAttribute } from '../../onnx/attributes.js';
import { gemm, reshape, slice, transpose } from '../append.js';
import type { GradientRule, RuleContext } from '../gradient-rule.js';
import { reduceSum } from '../unbroadcast.js';
import { correlateWide, scatterWide } from './wide-convolution.js';
import { resolveTransposedWindow, resolveWindow, type Window } from './window.js';

/** A tensor [batch, channels, ...size]. */
export interface Image {
  readonly value: string;
  readonly channels: number;
  readonly size: readonly number[];
}

function imageOf(value: string, [, channels, ...size]: readonly number[]): Image {
  return { value, channels: channels!, size };
}

export const convolution: readonly GradientRule[] = [
  {
    opTypes: ['Conv'],
    differentiable: [0, 1, 2],
    backward(at) {
      const [X, W] = at.x as [string, string];
      const dY = imageOf(at.dY[0]!, at.shapeOf(at.y[0]!));
      const x = imageOf(X, at.shapeOf(X));
      const window = resolveWindow(at.node, x.size, at.shapeOf(W).slice(2));
      const group = intAttribute(at.node, 'group', 1);
      const gradients = new Map<number, string>();
      if (at.needs(0)) gradients.set(0, scatter(at, dY, W, x, window, group));
      if (at.needs(1)) gradients.set(1, correlate(at, dY, x, window, group));
      if (at.needs(2)) gradients.set(2, biasGradient(at, dY));
      return gradients;
    },
  },
  {
    opTypes: ['ConvTranspose'],
    differentiable: [0, 1, 2],
    backward(at) {
      const [X, W] = at.x as [string, string];
      const dY = imageOf(at.dY[0]!, at.shapeOf(at.y[0]!));
      const x = imageOf(X, at.shapeOf(X));
      const window = resolveTransposedWindow(at.node, x.size, at.shapeOf(W).slice(2));
      const group = intAttribute(at.node, 'group', 1);
      const gradients = new Map<number, string>();
      if (at.needs(0)) {
        const dX = at.op('Conv', [dY.value, W], attributesOf(window, group));
        // Output padding wider than the stride lets the kernel step further than the input is long.
        gradients.set(0, trim(at, dX, reach(dY.size, window), x.size));
      }
      if (at.needs(1)) gradients.set(1, correlate(at, x, dY, window, group));
      if (at.needs(2)) gradients.set(2, biasGradient(at, dY));
      return gradients;
    },
  },
];

/** dX of Conv: every output hands its gradient back to the inputs it read. */
export function scatter(
  at: RuleContext,
  dY: Image,
  W: string,
  x: Image,
  window: Window,
  group: number,
): string {
  const { kernel, strides, dilations, pads } = window;
  if (group === 1 && isPointwise(window)) {
    if (dY.size.every((length) => length === 1)) {
      const rows = reshape(at, dY.value, [-1, dY.channels]);
      const columns = reshape(at, W, [dY.channels, x.channels]);
      return reshape(at, gemm(at, rows, columns), [-1, x.channels, ...x.size]);
    }
    return at.op('Conv', [dY.value, transpose(at, W, swapped(kernel.length))], { kernel_shape: kernel });
  }
  const wide = group === 1 ? scatterWide(at, dY, W, x, window) : undefined;
  if (wide !== undefined) return wide;
  // Rows at the end that no window reached.
  const outputPadding = kernel.map((length, i) => {
    const padded = x.size[i]! + pads[i]! + pads[i + kernel.length]!;
    return padded - dilations[i]! * (length - 1) - 1 - (dY.size[i]! - 1) * strides[i]!;
  });
  return at.op('ConvTranspose', [dY.value, W], {
    ...attributesOf(window, group),
    output_padding: outputPadding,
  });
}

/** dW[m,c,k] = Σ_no small[n,m,o] · large[n,c, o·s + k·d − p], with the channels c of m's group. */
function correlate(at: RuleContext, small: Image, large: Image, window: Window, group: number): string {
  const { kernel, strides, dilations, pads } = window;
  const swap = swapped(kernel.length);
  if (group === 1 && isPointwise(window)) {
    const isColumn = small.size.every((length) => length === 1);
    const [left, right] = [small, large].map(({ value, channels }) =>
      isColumn ? reshape(at, value, [-1, channels]) : reshape(at, transpose(at, value, swap), [channels, -1]),
    ) as [string, string];
    const product = gemm(at, left, right, isColumn ? { transA: 1 } : { transB: 1 });
    return reshape(at, product, [small.channels, large.channels, ...kernel]);
  }
  const wide = group === 1 ? correlateWide(at, small, large, window) : undefined;
  if (wide !== undefined) return wide;
  const turned: Window = { kernel: small.size, strides: dilations, dilations: strides, pads };
  const full = at.op(
    'Conv',
    [channelsFirst(at, large, group), transpose(at, small.value, swap)],
    // The kernel is as long as `small` is at run time.
    { strides: dilations, dilations: strides, pads, group },
  );
  // Rows that the stride never reached let `small` step further than the kernel is long.
  return transpose(at, trim(at, full, reach(large.size, turned), kernel), swap);
}

/** [n, g·c, …] as [c, g·n, …]: the batch becomes the channels of each group. */
function channelsFirst(at: RuleContext, { value, channels, size }: Image, group: number): string {
  const turned = (): string => transpose(at, value, swapped(size.length));
  if (group === 1) return turned();
  const perGroup = channels / group;
  if (perGroup === 1) return reshape(at, turned(), [1, -1, ...size.map(() => 0)]);
  const split = reshape(at, value, [0, group, perGroup, -1]);
  const sizes = slice(at, at.shape(value), [0], [2], [2 + size.length]);
  const shape = at.op('Concat', [at.builder.ints([perGroup, -1]), sizes], { axis: 0 });
  return at.op('Reshape', [transpose(at, split, [2, 1, 0, 3]), shape]);
}

/** The number of steps a window makes along each axis. */
function reach(size: readonly number[], { kernel, strides, dilations, pads }: Window): number[] {
  return kernel.map((length, i) => {
    const padded = size[i]! + pads[i]! + pads[i + kernel.length]!;
    return Math.floor((padded - dilations[i]! * (length - 1) - 1) / strides[i]!) + 1;
  });
}

/** Cuts the spatial axes of `value` from `size` to `wanted` at the end. */
function trim(at: RuleContext, value: string, size: readonly number[], wanted: readonly number[]): string {
  const axes = wanted.map((_, i) => i).filter((i) => size[i]! > wanted[i]!);
  if (axes.length === 0) return value;
  const ends = axes.map((i) => wanted[i]!);
  return slice(at, value, axes.map((i) => i + 2), ends.map(() => 0), ends); // prettier-ignore
}

/** Every output reads the one input at its own place. */
function isPointwise({ kernel, strides, pads }: Window): boolean {
  return [...kernel, ...strides].every((length) => length === 1) && pads.every((pad) => pad === 0);
}

function attributesOf({ kernel, strides, dilations, pads }: Window, group: number) {
  return { kernel_shape: kernel, strides, dilations, pads, group };
}

/** The permutation that exchanges batch and channels. */
function swapped(spatialRank: number): number[] {
  return [1, 0, ...Array.from({ length: spatialRank }, (_, i) => i + 2)];
}

function biasGradient(at: RuleContext, { value, size }: Image): string {
  return reduceSum(at, value, [0, ...size.map((_, i) => i + 2)], 0);
}
