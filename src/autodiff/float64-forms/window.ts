/**
 * Sliding windows as a gather: an index says, for each kernel position k and output position o, which input it reads;
 * one column of zeros stands for the padding. Convolution is then a matrix product, average pooling a sum.
 */
import { intAttribute, intsAttribute, stringAttribute } from '../../onnx/attributes.js';
import { sizeOf } from '../../tensor/shape.js';
import { int64 } from '../../tensor/tensor.js';
import type { Float64Form, FormContext } from './float64-form.js';

interface Geometry {
  readonly input: readonly number[];
  readonly output: readonly number[];
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  /** Padding before the first element of each axis. */
  readonly begin: readonly number[];
}

/** The input position read along one axis, or undefined where that is padding. */
type Reads = (geometry: Geometry, axis: number, o: number, k: number) => number | undefined;

const forwards: Reads = ({ input, strides, dilations, begin }, axis, o, k) => {
  const i = o * strides[axis]! + k * dilations[axis]! - begin[axis]!;
  return i >= 0 && i < input[axis]! ? i : undefined;
};

/** ConvTranspose: input i is spread over the outputs i·s + k·d − p. */
const transposed: Reads = ({ input, strides, dilations, begin }, axis, o, k) => {
  const i = (o + begin[axis]! - k * dilations[axis]!) / strides[axis]!;
  return Number.isInteger(i) && i >= 0 && i < input[axis]! ? i : undefined;
};

function geometryOf(at: FormContext, kernel: readonly number[], isTransposed: boolean): Geometry {
  const input = at.shapeOf(at.x[0]!).slice(2);
  const output = at.shapeOf(at.node.outputs[0]!).slice(2);
  const ones = kernel.map(() => 1);
  const strides = intsAttribute(at.node, 'strides') ?? ones;
  const dilations = intsAttribute(at.node, 'dilations') ?? ones;
  const auto = stringAttribute(at.node, 'auto_pad', 'NOTSET');
  const pads = intsAttribute(at.node, 'pads') ?? [...ones, ...ones].fill(0);
  const added = intsAttribute(at.node, 'output_padding') ?? ones.map(() => 0);
  const asked = intsAttribute(at.node, 'output_shape');
  const begin = kernel.map((length, axis) => {
    const reach = dilations[axis]! * (length - 1) + 1;
    const total = isTransposed
      ? (input[axis]! - 1) * strides[axis]! + added[axis]! + reach - output[axis]!
      : (output[axis]! - 1) * strides[axis]! + reach - input[axis]!;
    if (auto === 'VALID') return 0;
    if (auto === 'SAME_UPPER') return Math.floor(Math.max(0, total) / 2);
    if (auto === 'SAME_LOWER' || asked) return Math.ceil(Math.max(0, total) / 2);
    return pads[axis]!;
  });
  return { input, output, kernel, strides, dilations, begin };
}

/** [N, C, …input] gathered to [N, C, K, O]; `size` stands for a read of padding. A kernel of one position reads all in order. */
function gatherWindows(at: FormContext, geometry: Geometry, reads: Reads): string {
  const { input, output, kernel } = geometry;
  const [n, c] = at.shapeOf(at.x[0]!) as [number, number];
  const size = sizeOf(input);
  const [taps, places] = [sizeOf(kernel), sizeOf(output)];
  if (taps === 1 && [...geometry.strides, places / size].every((ratio) => ratio === 1))
    return at.op('Reshape', [at.x[0]!, at.builder.ints([n, c, 1, size])]);
  const index = new Array<number>(taps * places);
  for (let tap = 0; tap < taps; tap++) {
    const k = unravel(tap, kernel);
    for (let place = 0; place < places; place++) {
      const o = unravel(place, output);
      let flat: number | undefined = 0;
      for (let axis = 0; axis < kernel.length && flat !== undefined; axis++) {
        const i = reads(geometry, axis, o[axis]!, k[axis]!);
        flat = i === undefined ? undefined : flat * input[axis]! + i;
      }
      index[tap * places + place] = flat ?? size;
    }
  }
  const flat = at.op('Reshape', [at.x[0]!, at.builder.ints([n, c, size])]);
  const zeros = at.tensor([n, c, 1], new Float64Array(n * c));
  const padded = at.op('Concat', [flat, zeros], { axis: 2 });
  const indices = at.builder.constant('f64/windows', int64([taps, places], index));
  return at.op('Gather', [padded, indices], { axis: 2 });
}

function unravel(flat: number, dims: readonly number[]): number[] {
  const position = new Array<number>(dims.length);
  for (let axis = dims.length - 1; axis >= 0; axis--) {
    position[axis] = flat % dims[axis]!;
    flat = Math.floor(flat / dims[axis]!);
  }
  return position;
}

function convolution(isTransposed: boolean): Float64Form {
  return (at) => {
    const [, W, bias] = at.x as [string, string, string?];
    const weights = at.shapeOf(W);
    const geometry = geometryOf(at, weights.slice(2), isTransposed);
    const windows = gatherWindows(at, geometry, isTransposed ? transposed : forwards);
    const [n, c] = at.shapeOf(at.x[0]!) as [number, number];
    const group = intAttribute(at.node, 'group', 1);
    const taps = sizeOf(geometry.kernel);
    const places = sizeOf(geometry.output);
    const maps = isTransposed ? weights[1]! : weights[0]! / group;
    const perGroup = c / group;
    // W as [group, maps, channels · taps]; a ConvTranspose stores it as [channels, maps, taps].
    let matrix = W;
    if (isTransposed) {
      const split = at.op('Reshape', [W, at.builder.ints([group, perGroup, maps, taps])]);
      matrix = at.op('Transpose', [split], { perm: [0, 2, 1, 3] });
    }
    matrix = at.op('Reshape', [matrix, at.builder.ints([1, group, maps, perGroup * taps])]);
    const columns = at.op('Reshape', [windows, at.builder.ints([n, group, perGroup * taps, places])]);
    const product = at.op('MatMul', [matrix, columns]);
    const result = at.op('Reshape', [product, at.builder.ints([n, group * maps, ...geometry.output])]);
    if (!bias) return result;
    const ones = geometry.output.map(() => 1);
    return at.op('Add', [result, at.op('Reshape', [bias, at.builder.ints([1, group * maps, ...ones])])]);
  };
}

const averagePool: Float64Form = (at) => {
  const kernel = intsAttribute(at.node, 'kernel_shape')!;
  const geometry = geometryOf(at, kernel, false);
  const windows = gatherWindows(at, geometry, forwards);
  const { input, output } = geometry;
  const end = (intsAttribute(at.node, 'pads') ?? []).slice(kernel.length);
  const countPadding = intAttribute(at.node, 'count_include_pad', 0) === 1;
  // What counts: the inputs alone, or the padding too, but never the overhang of ceil_mode.
  const counts = (axis: number, position: number): boolean =>
    countPadding
      ? position < input[axis]! + (end[axis] ?? geometry.kernel[axis]!)
      : position >= 0 && position < input[axis]!;
  const weights = Array.from({ length: sizeOf(output) }, (_, place) =>
    unravel(place, output).reduce((share, o, axis) => {
      let count = 0;
      for (let k = 0; k < kernel[axis]!; k++) {
        const position = o * geometry.strides[axis]! + k * geometry.dilations[axis]! - geometry.begin[axis]!;
        if (counts(axis, position)) count++;
      }
      return share / count;
    }, 1),
  );
  const [n, c] = at.shapeOf(at.x[0]!) as [number, number];
  const ones = at.tensor([1, sizeOf(kernel)], new Float64Array(sizeOf(kernel)).fill(1));
  const sums = at.op('Reshape', [at.op('MatMul', [ones, windows]), at.builder.ints([n, c, ...output])]);
  return at.op('Mul', [sums, at.tensor(output, weights)]);
};

export const windowForms: readonly (readonly [string, Float64Form])[] = [
  ['Conv', convolution(false)],
  ['ConvTranspose', convolution(true)],
  ['AveragePool', averagePool],
];
