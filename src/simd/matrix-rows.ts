/**
 * Passes over float32 matrices too large for a kernel's memory: some rows at a time are copied there, while they are in the
 * cache. Matrices are row-major, and vectors over their columns float64.
 */
import { type Kernels, openKernels } from './kernels.js';

/** Bytes of rows that are worked on at a time. */
const chunkBytes = 2 ** 17;
/** Rows that are turned at a time: what a column becomes is copied back in pieces so long; of long rows fewer values. */
const turnedRows = 512;
const turnedValues = 2 ** 22;

let shared: Kernels | undefined;

/** Adds each row to `sums`. */
export function addRows(values: Float32Array, sums: Float64Array): void {
  inChunks(values, [sums], (kernels, rows, at, [sumsAt]) => kernels.addRows(rows, sums.length, at, sumsAt!));
}

/** Adds the squares of what each row differs by from `mean` to `sums`. */
export function addSquares(values: Float32Array, mean: Float64Array, sums: Float64Array): void {
  inChunks(values, [sums, mean], (kernels, rows, at, [sumsAt, meanAt]) =>
    kernels.addSquares(rows, sums.length, at, meanAt!, sumsAt!),
  );
}

/** (value - mean) · factor of each column, rounded once; `into` may be `values`. */
export function scaleRows(
  values: Float32Array,
  mean: Float64Array,
  factor: Float64Array,
  into: Float32Array,
): void {
  inChunks(
    values,
    [mean, factor],
    (kernels, rows, at, [meanAt, factorAt]) => kernels.scaleRows(rows, mean.length, at, meanAt!, factorAt!),
    into,
  );
}

/** [rows, columns] to [columns, rows]; `into` is other memory than `matrix`. */
export function transpose(matrix: Float32Array, columns: number, into: Float32Array): void {
  const rows = matrix.length / columns;
  const most = Math.min(rows, turnedRows, Math.max(4, Math.floor(turnedValues / columns)));
  const kernels = (shared ??= openKernels());
  kernels.reserve(2 * most * columns * Float32Array.BYTES_PER_ELEMENT + 16);
  const given = new Float32Array(kernels.buffer(), 0, most * columns);
  const turned = new Float32Array(kernels.buffer(), given.byteLength, most * columns);
  for (let from = 0; from < rows; from += most) {
    const count = Math.min(most, rows - from);
    given.set(matrix.subarray(from * columns, (from + count) * columns));
    kernels.transpose(count, columns, given.byteOffset, turned.byteOffset);
    for (let column = 0; column < columns; column++) {
      into.set(turned.subarray(column * count, (column + 1) * count), column * rows + from);
    }
  }
}

/**
 * @param vectors - of one element a column; the first one comes back as the kernel left it
 * @param run - is given the addresses of the rows and of the vectors
 * @param into - takes the rows as the kernel left them
 */
function inChunks(
  values: Float32Array,
  vectors: readonly [Float64Array, ...Float64Array[]],
  run: (kernels: Kernels, rows: number, rowsAt: number, vectorsAt: readonly number[]) => void,
  into?: Float32Array,
): void {
  const columns = vectors[0].length;
  // In fours, as the kernels add up four rows before they add them to a sum.
  const rows = Math.min(values.length / columns, 4 * Math.ceil(chunkBytes / (16 * columns)));
  const kernels = (shared ??= openKernels());
  const vectorBytes = 16 * Math.ceil(vectors[0].byteLength / 16);
  const rowsAt = vectors.length * vectorBytes;
  kernels.reserve(rowsAt + rows * columns * Float32Array.BYTES_PER_ELEMENT + 16);
  const memory = kernels.buffer();
  const held = vectors.map((vector, i) => {
    const copy = new Float64Array(memory, i * vectorBytes, columns);
    copy.set(vector);
    return copy;
  });
  const vectorsAt = held.map(({ byteOffset }) => byteOffset);
  const chunk = new Float32Array(memory, rowsAt, rows * columns);
  for (let at = 0; at < values.length; at += chunk.length) {
    const length = Math.min(chunk.length, values.length - at);
    chunk.set(values.subarray(at, at + length));
    run(kernels, length / columns, rowsAt, vectorsAt);
    into?.set(chunk.subarray(0, length), at);
  }
  vectors[0].set(held[0]!);
}
