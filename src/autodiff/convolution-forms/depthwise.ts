/**
 * A convolution with one kernel a channel, as a matrix over the positions for each channel:
 *
 *   Y_c [out, N] = T_c X_c [in, N]      T_c [out, in] = Σ_k w_ck S_k,  S_k [out, in] = 1 where tap k leads from in to out
 *
 * Most products are with zeros, and yet: ONNX Runtime makes a matrix of windows for each channel and image, some ten
 * times slower than this at 7 x 7 positions, and its gradients are slower still.
 */
import type { ConvolutionForm, ConvolutionSizes } from './convolution-form.js';

/** Bytes of all T_c up to which they are made. */
const mostBytes = 2 ** 25;
/** Positions in and out, multiplied, up to which the products with zeros are few enough: 14 x 14 in and out. */
const mostPairs = 196 ** 2;

export const depthwise: ConvolutionForm = {
  suits({ from, to, groups, input, output }) {
    const pairs = area(input) * area(output);
    return groups === from && to === from && from > 1 && pairs <= mostPairs && 4 * from * pairs <= mostBytes;
  },
  write(tape, sizes) {
    const { batch, from, kernel, input, output } = sizes;
    const [x, w, bias] = tape.node.inputs as [string, string, string?];
    const [taps, places, outPlaces] = [area(kernel), area(input), area(output)];
    const columns = tape.reshape(tape.batchLast(x), [from, places, batch], 'columns', 2);
    const kernels = tape.reshape(w, [from, taps], 'kernels');
    const paths = tape.matrix(`depthwise/${JSON.stringify([kernel, input, output, sizes.strides, sizes.dilations, sizes.pads])}`, () => tapPaths(sizes)); // prettier-ignore
    const spread = tape.product(kernels, paths, 'spread');
    const matrices = tape.reshape(spread, [from, outPlaces, places], 'matrices');
    let maps = tape.product(matrices, columns, 'products');
    if (bias) {
      const shift = tape.reshape(bias, [from, 1, 1], 'bias');
      maps = tape.op('Add', [maps, shift], 'shifted', [from, outPlaces, batch]);
    }
    tape.finishLast([tape.reshape(maps, [from, ...output, batch], 'maps', 3)]);
  },
};

function area([height, width]: readonly [number, number]): number {
  return height * width;
}

/** All S_k, a row each. */
function tapPaths({ kernel, input, output, strides, dilations, pads }: ConvolutionSizes): number[][] {
  /** Where tap `k` of an axis finds each output, as a row of the input's places. */
  const along = (axis: 0 | 1, k: number): number[][] =>
    Array.from({ length: output[axis] }, (_, o) => {
      const row = new Array<number>(input[axis]).fill(0);
      const at = o * strides[axis] + k * dilations[axis] - pads[axis];
      if (at >= 0 && at < row.length) row[at] = 1;
      return row;
    });
  return Array.from({ length: area(kernel) }, (_, tap) => {
    const [vertical, horizontal] = [along(0, Math.floor(tap / kernel[1])), along(1, tap % kernel[1])];
    return vertical.flatMap((v) => horizontal.flatMap((h) => v.flatMap((a) => h.map((b) => a * b))));
  });
}
