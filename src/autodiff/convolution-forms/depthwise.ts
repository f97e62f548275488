/**
 * A convolution with one kernel a channel, as a matrix over the positions for each channel:
 *
 *   Y_c [out, N] = T_c X_c [in, N]      T_c [out, in] = Σ_k w_ck S_k,  S_k [out, in] = 1 where tap k leads from in to out
 *
 * and so in bands of a few rows, since a T_c is written to memory and read again, and is all zeros far from its diagonal.
 * Most products are with zeros all the same, and yet: ONNX Runtime makes a matrix of windows for each channel and image,
 * some ten times slower than this at 7 x 7 positions, and its gradients are slower still.
 */
import type { ConvolutionForm, ConvolutionSizes } from './convolution-form.js';
import type { FormTape } from './form-tape.js';

/** Bytes of all T_c up to which they are made. */
const mostBytes = 2 ** 25;
/** Positions in and out, multiplied, up to which the products with zeros are few enough: 14 x 14 in and out. */
const mostPairs = 196 ** 2;
/** Output rows of a band, about: fewer would save little, as a band of 3 x 3 kernels reads two rows more. */
const rowsOfBand = 3.5;

export const depthwise: ConvolutionForm = {
  suits({ from, to, groups, input, output }) {
    const pairs = area(input) * area(output);
    return groups === from && to === from && from > 1 && pairs <= mostPairs && 4 * from * pairs <= mostBytes;
  },
  write(tape, sizes) {
    const { batch, from, kernel, input, output } = sizes;
    const [x, w, bias] = tape.node.inputs as [string, string, string?];
    const rows = tape.reshape(tape.batchLast(x), [from, input[0], input[1] * batch], 'rows', 2);
    const kernels = tape.reshape(w, [from, area(kernel)], 'kernels');
    const bands = bandsOf(sizes);
    const parts = splitRows(tape, rows, bands);
    const products = bands.map((band, i) => {
      const [places, outPlaces] = [heightOf(band.input) * input[1], heightOf(band.output) * output[1]];
      const columns = tape.reshape(parts[i]!, [from, places, batch], 'columns', 2);
      const paths = tape.matrix(`depthwise/${JSON.stringify([kernel, input, output, sizes.strides, sizes.dilations, sizes.pads, band])}`, () => tapPaths(sizes, band)); // prettier-ignore
      const spread = tape.product(kernels, paths, 'spread');
      return tape.product(tape.reshape(spread, [from, outPlaces, places], 'matrices'), columns, 'products');
    });
    const dims = [from, area(output), batch];
    let maps = products.length === 1 ? products[0]! : tape.op('Concat', products, 'bands', dims, { axis: 1 });
    if (bias) maps = tape.op('Add', [maps, tape.reshape(bias, [from, 1, 1], 'bias')], 'shifted', dims);
    tape.finishLast([tape.reshape(maps, [from, ...output, batch], 'maps', 3)]);
  },
};

function area([height, width]: readonly [number, number]): number {
  return height * width;
}

/** From the first row to the one before the second. */
type Rows = readonly [number, number];

interface Band {
  readonly input: Rows;
  readonly output: Rows;
}

const heightOf = ([start, end]: Rows): number => end - start;

/** Output rows in bands of a few, each with the input rows that it reads: all else of a T_c would be zeros. */
function bandsOf({ kernel, input, output, strides, dilations, pads }: ConvolutionSizes): Band[] {
  const count = Math.max(1, Math.round(output[0] / rowsOfBand));
  const edge = (i: number): number => Math.round((i * output[0]) / count);
  return Array.from({ length: count }, (_, i) => {
    const [start, end] = [edge(i), edge(i + 1)];
    const first = Math.max(0, start * strides[0] - pads[0]);
    const last = (end - 1) * strides[0] - pads[0] + (kernel[0] - 1) * dilations[0];
    // A band of padding alone reads some row, by zeros.
    const from = Math.min(first, input[0] - 1);
    return { output: [start, end], input: [from, Math.max(from + 1, Math.min(input[0], last + 1))] };
  });
}

/** The input rows of each band. By one Split and Concats, whose gradients copy no more than they do. */
function splitRows(tape: FormTape, rows: string, bands: readonly Band[]): string[] {
  if (bands.length === 1 && bands[0]!.input[0] === 0 && bands[0]!.input[1] === tape.shape(rows)[1])
    return [rows];
  const [channels, height, width] = tape.shape(rows) as [number, number, number];
  const edges = [...new Set([0, height, ...bands.flatMap(({ input }) => input)])].sort((a, b) => a - b);
  const lengths = edges.slice(1).map((end, i) => end - edges[i]!);
  const pieces = tape.split(rows, 1, lengths, 'rows');
  return bands.map(({ input: [start, end] }) => {
    const own = pieces.filter((_, i) => edges[i]! >= start && edges[i]! < end);
    return own.length === 1
      ? own[0]!
      : tape.op('Concat', own, 'band', [channels, end - start, width], { axis: 1 });
  });
}

/** All S_k between the rows of a band, a row each. */
function tapPaths(
  { kernel, input, output, strides, dilations, pads }: ConvolutionSizes,
  band: Band,
): number[][] {
  /** Where tap `k` of an axis finds each output, as a row of the input's places. */
  const along = (axis: 0 | 1, k: number, to: Rows, from: Rows): number[][] =>
    Array.from({ length: heightOf(to) }, (_, o) => {
      const row = new Array<number>(heightOf(from)).fill(0);
      const at = (to[0] + o) * strides[axis] + k * dilations[axis] - pads[axis] - from[0];
      if (at >= 0 && at < row.length) row[at] = 1;
      return row;
    });
  return Array.from({ length: area(kernel) }, (_, tap) => {
    const vertical = along(0, Math.floor(tap / kernel[1]), band.output, band.input);
    const horizontal = along(1, tap % kernel[1], [0, output[1]], [0, input[1]]);
    return vertical.flatMap((v) => horizontal.flatMap((h) => v.flatMap((a) => h.map((b) => a * b))));
  });
}
