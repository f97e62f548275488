/**
 * The gradients of ungrouped convolutions with many channels as the operations that ONNX Runtime is fastest at on a
 * CPU: about twice as fast as the forms that work for every convolution.
 *
 *   dX   for stride 1, Conv with the kernel turned round: dX[n,c,i] = Σ_mk W[m,c,K−1−k] dY[n,m, i + p − (K−1−k)·d]
 *        (ConvTranspose adds up overlapping windows one image at a time)
 *   dW   a matrix product for each kernel position: dW[·,·,k] = dY[m, no] · X[c, n(o·s + k·d − p)]ᵀ
 *        (as a convolution over the batch, its products would be only as wide as the kernel has positions)
 */
import { gemm, reshape, slice, transpose } from '../append.js';
import type { RuleContext } from '../gradient-rule.js';
import type { Image } from './convolution.js';
import type { Window } from './window.js';

/** Channels from which on the products are wide enough. */
const manyChannels = 9;
/** Kernel positions up to which a product for each is worth it. */
const fewPositions = 25;

const rangeTo = (length: number): number[] => Array.from({ length }, (_, i) => i);

/** dX, or undefined where the general form is to be taken. */
export function scatterWide(
  at: RuleContext,
  dY: Image,
  W: string,
  x: Image,
  { kernel, strides, dilations, pads }: Window,
): string | undefined {
  const rank = kernel.length;
  const overlap = kernel.map((length, i) => dilations[i]! * (length - 1));
  const before = overlap.map((most, i) => most - pads[i]!);
  const after = overlap.map((most, i) => x.size[i]! - dY.size[i]! - before[i]! + most);
  const isWide =
    Math.min(dY.channels, x.channels) >= manyChannels &&
    strides.every((stride) => stride === 1) &&
    [...before, ...after].every((pad) => pad >= 0) &&
    at.opset >= 10;
  if (!isWide) return undefined;
  const axes = rangeTo(rank).map((i) => i + 2);
  const turned = slice(at, W, axes, axes.map(() => -1), kernel.map((length) => -length - 1), axes.map(() => -1)); // prettier-ignore
  return at.op('Conv', [dY.value, transpose(at, turned, [1, 0, ...axes])], {
    kernel_shape: kernel,
    dilations,
    pads: [...before, ...after],
  });
}

/** dW[m, c, k], or undefined where the general form is to be taken. */
export function correlateWide(
  at: RuleContext,
  small: Image,
  large: Image,
  { kernel, strides, dilations, pads }: Window,
): string | undefined {
  const positions = kernel.reduce((product, length) => product * length, 1);
  const isWide =
    Math.min(small.channels, large.channels) >= manyChannels &&
    positions <= fewPositions &&
    pads.every((pad) => pad >= 0) &&
    at.opset >= 11;
  if (!isWide) return undefined;
  const axes = rangeTo(kernel.length).map((i) => i + 2);
  const swap = [1, 0, ...axes];
  const rows = reshape(at, transpose(at, small.value, swap), [small.channels, -1]);
  const padded = padSpatial(at, transpose(at, large.value, swap), pads);
  const columns = rangeTo(positions).map((position) => {
    const starts = placeOf(position, kernel).map((k, i) => k * dilations[i]!);
    const ends = starts.map((start, i) => {
      const end = start + (small.size[i]! - 1) * strides[i]! + 1;
      // Counted from the end it holds for other sizes too; of other strides as many rows are left over as the size has it.
      return strides[i] === 1 ? fromEnd(end, large.size[i]! + pads[i]! + pads[i + kernel.length]!) : end;
    });
    const read = slice(at, padded, axes, starts, ends, strides);
    const product = gemm(at, rows, reshape(at, read, [large.channels, -1]), { transB: 1 });
    return reshape(at, product, [small.channels, large.channels, 1]);
  });
  const joined = columns.length === 1 ? columns[0]! : at.op('Concat', columns, { axis: 2 });
  return reshape(at, joined, [small.channels, large.channels, ...kernel]);
}

/** The end of a Slice as a distance from the end of the axis. */
function fromEnd(end: number, length: number): number {
  return end === length ? Number.MAX_SAFE_INTEGER : end - length;
}

function padSpatial(at: RuleContext, value: string, pads: readonly number[]): string {
  if (pads.every((pad) => pad === 0)) return value;
  const rank = pads.length / 2;
  const all = [0, 0, ...pads.slice(0, rank), 0, 0, ...pads.slice(rank)];
  return at.op('Pad', [value, at.builder.ints(all)]);
}

/** Row-major coordinates of a position in the kernel. */
function placeOf(position: number, kernel: readonly number[]): number[] {
  let rest = position;
  return kernel.toReversed().map((length) => {
    const place = rest % length;
    rest = Math.floor(rest / length);
    return place;
  }).toReversed(); // prettier-ignore
}
