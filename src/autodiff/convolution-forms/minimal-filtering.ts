/**
 * Convolutions with 3 x 3 kernels as Winograd's minimal filtering, F(4x4, 3x3): Lavin & Gray, Fast Algorithms for
 * Convolutional Neural Networks, 2016. With d a tile of 6 x 6 inputs, g a kernel and ∘ the product by elements,
 *
 *   4 x 4 outputs  Y = Aᵀ [ (G g Gᵀ) ∘ (Bᵀ d B) ] A
 *
 * 36 multiplications do what takes 144. Over channels ∘ becomes 36 matrix products, and B, G and A are constant matrices,
 * so that it is written with MatMul alone; the gradients by input and weights, which are MatMul too, save as much. Tiles
 * that overlap or reach over the border, padding with them, are in the entries of the matrix that stands for B:
 *
 *   V = E x [36, tiles·N, C]     U = (G ⊗ G) w [36, K, C]     Y = F (U Vᵀ)ᵀ [height·width, N, K]
 *
 * Results differ from the direct sum by some 1e-6 of its size: as much as float32 sums in another order.
 */
import type { ConvolutionForm } from './convolution-form.js';

// Interpolation at 0, 1, -1, 2, -2 and infinity.
const inputTransform = [
  [4, 0, -5, 0, 1, 0],
  [0, -4, -4, 1, 1, 0],
  [0, 4, -4, -1, 1, 0],
  [0, -2, -1, 2, 1, 0],
  [0, 2, -1, -2, 1, 0],
  [0, 4, 0, -5, 0, 1],
];
const kernelTransform = [
  [1 / 4, 0, 0],
  [-1 / 6, -1 / 6, -1 / 6],
  [-1 / 6, 1 / 6, -1 / 6],
  [1 / 24, 1 / 12, 1 / 6],
  [1 / 24, -1 / 12, 1 / 6],
  [0, 0, 1],
];
const outputTransform = [
  [1, 1, 1, 1, 1, 0],
  [0, 1, -1, 2, -2, 0],
  [0, 1, 1, 4, 4, 0],
  [0, 1, -1, 8, -8, 1],
];
const [tile, step, taps] = [6, 4, 3];

/**
 * What E and F cost grows with the positions, as they know nothing of how far apart tiles are; the products grow with the
 * channels. Below so many channels a position the direct way is as fast.
 */
const channelsPerPosition = 4;

export const minimalFiltering: ConvolutionForm = {
  suits({ from, to, groups, kernel, input, output, strides, dilations }) {
    const isPlain =
      groups === 1 &&
      kernel.every((side) => side === taps) &&
      [...strides, ...dilations].every((value) => value === 1);
    const positions = Math.max(input[0] * input[1], output[0] * output[1]);
    return isPlain && Math.min(from, to) >= channelsPerPosition * positions;
  },
  write(tape, { batch, from, to, input, output, pads }) {
    const [x, w] = [tape.batchFirst(tape.node.inputs[0]!), tape.node.inputs[1]!];
    const tiles = output.map((size) => Math.ceil(size / step)) as [number, number];
    const count = tiles[0] * tiles[1];
    const [positions, outPositions, points] = [input[0] * input[1], output[0] * output[1], tile * tile];

    const flat = tape.reshape(x, [batch, from, positions], 'flat', 0);
    const byPosition = tape.transpose(flat, [2, 0, 1], 'positions');
    const image = tape.reshape(byPosition, [positions, batch * from], 'image', 1);
    const gathering = tape.matrix(`winograd/gather/${JSON.stringify([input, output, pads])}`, () =>
      gather(input, tiles, pads),
    );
    const gathered = tape.product(gathering, image, 'gathered');
    const V = tape.reshape(gathered, [points, count * batch, from], 'tiles', 1);

    const byChannel = tape.reshape(w, [to, from, taps * taps], 'taps');
    const byTap = tape.transpose(byChannel, [2, 0, 1], 'taps_first');
    const kernels = tape.reshape(byTap, [taps * taps, to * from], 'kernels');
    const transforming = tape.matrix('winograd/kernel', () => kron(kernelTransform, kernelTransform));
    const transformed = tape.product(transforming, kernels, 'filters');
    const U = tape.reshape(transformed, [points, to, from], 'filters_apart');

    // U Vᵀ and not V Uᵀ: so the gradient by U, the largest value of all, comes without a transpose.
    const products = tape.product(U, tape.transpose(V, [0, 2, 1], 'tiles_turned'), 'products');
    const byRow = tape.transpose(products, [0, 2, 1], 'products_turned');
    const byTile = tape.reshape(byRow, [points * count, batch * to], 'product_tiles', 1);
    const scattering = tape.matrix(`winograd/scatter/${output.join()}`, () => scatter(output, tiles));
    const scattered = tape.product(scattering, byTile, 'scattered');
    const apart = tape.reshape(scattered, [outPositions, batch, to], 'outputs', 1);
    tape.finish(tape.transpose(apart, [1, 2, 0], 'channels'), [batch, to, ...output]);
  },
};

/** E: row (u, v, i, j) is what position (u, v) of the transformed tile (i, j) takes of each input. */
function gather(
  [height, width]: readonly [number, number],
  [rows, columns]: readonly [number, number],
  [top, left]: readonly [number, number],
): number[][] {
  const along = (size: number, tiles: number, pad: number) =>
    inputTransform.map((row) =>
      Array.from({ length: tiles }, (_, i) =>
        Array.from({ length: size }, (_, at) => row[at + pad - step * i] ?? 0),
      ),
    );
  const [vertical, horizontal] = [along(height, rows, top), along(width, columns, left)];
  return vertical.flatMap((v) =>
    horizontal.flatMap((h) => v.flatMap((a) => h.map((b) => a.flatMap((p) => b.map((q) => p * q))))),
  );
}

/** F: what each output takes of position (u, v) of the products' tile (i, j). */
function scatter(
  [height, width]: readonly [number, number],
  [rows, columns]: readonly [number, number],
): number[][] {
  const along = (size: number, tiles: number, at: number): number[][] =>
    Array.from({ length: tile }, (_, u) =>
      Array.from({ length: tiles }, (_, i) =>
        Math.floor(at / step) === i && at < size ? outputTransform[at % step]![u]! : 0,
      ),
    );
  return Array.from({ length: height * width }, (_, position) => {
    const v = along(height, rows, Math.floor(position / width));
    const h = along(width, columns, position % width);
    return v.flatMap((a) => h.flatMap((b) => a.flatMap((p) => b.map((q) => p * q))));
  });
}

/** The Kronecker product. */
function kron(a: readonly (readonly number[])[], b: readonly (readonly number[])[]): number[][] {
  return a.flatMap((rowA) => b.map((rowB) => rowA.flatMap((p) => rowB.map((q) => p * q))));
}
