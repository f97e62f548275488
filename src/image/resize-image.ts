/**
 * Pillow's separable resize, bit for bit (8-bit pixels between the two passes, 22-bit weights), whose second pass
 * ends in the normalised floats. Both passes are kernels that do four values at a time; they work in a memory of their
 * own, which rows of the image are copied into strip by strip, so that it stays small for photos of any size.
 */
import type { ResizeKernel } from '../models/preprocess-spec.js';
import { type Kernels, openKernels } from '../simd/kernels.js';
import type { DecodedImage } from './decoded-image.js';
import type { ResizePlan } from './plan-resize.js';
import { type ResizeWeights, resizeWeights } from './resize-weights.js';

/** Where pixel (y, x, c) of the window is written: at y · row + x · column + `channels[c]`'s offset. */
export interface PixelWriter {
  readonly into: Float32Array;
  readonly width: number;
  readonly height: number;
  readonly rowStride: number;
  readonly columnStride: number;
  /** For each source channel: the offset of its first value, and the value of each of the 256 levels. */
  readonly channels: readonly { readonly offset: number; readonly levels: Float32Array }[];
}

/** Source rows that are in the kernels' memory at a time. */
const stripBytes = 2 ** 20;
/** The kernels read in fours, past the end of what they use. */
const margin = 16;

// The work between two awaits is synchronous, so all images of a thread share this.
let shared: Kernels | undefined;

/** Resizes `image` to the plan's size and writes the plan's window; what lies outside the image is level 0. */
export function resizeInto(
  image: DecodedImage,
  plan: ResizePlan,
  kernel: ResizeKernel,
  writer: PixelWriter,
): void {
  const x0 = Math.max(0, -plan.left);
  const x1 = Math.min(writer.width, plan.width - plan.left);
  const y0 = Math.max(0, -plan.top);
  const y1 = Math.min(writer.height, plan.height - plan.top);
  if (x0 > 0 || y0 > 0 || x1 < writer.width || y1 < writer.height) fillBlack(writer);
  if (x1 <= x0 || y1 <= y0) return;
  const rows = resizeWeights(image.height, plan.height, plan.top + y0, y1 - y0, kernel);
  const columns = resizeWeights(image.width, plan.width, plan.left + x0, x1 - x0, kernel);
  const window = { width: x1 - x0, height: y1 - y0, start: y0 * writer.rowStride + x0 * writer.columnStride };
  const kernels = (shared ??= openKernels());
  const planes = resizeRows(kernels, image, columns, rows);
  resizeColumns(kernels, planes, rows, window, writer);
}

/** Planes of the window's width, one a channel, in the kernels' memory. */
interface Planes {
  readonly at: number;
  readonly planeBytes: number;
  /** Row of the source that is first in a plane. */
  readonly firstRow: number;
  /** First address that is free. */
  readonly end: number;
}

/** The horizontal pass over the rows of the image that the vertical one needs. */
function resizeRows(
  kernels: Kernels,
  { data, width, channels }: DecodedImage,
  columns: ResizeWeights,
  rows: ResizeWeights,
): Planes {
  const outWidth = columns.first.length;
  const { firstRow, rowCount } = sourceRows(rows);
  const rowBytes = width * channels;
  const stripRows = Math.min(rowCount, Math.max(1, Math.floor(stripBytes / rowBytes)));
  const planeBytes = rowCount * outWidth;
  const planes = 0;
  const strip = aligned(planes + planeBytes * channels + margin);
  const weights = aligned(strip + stripRows * rowBytes + margin);
  kernels.reserve(weights + sizeOf(columns));
  const at = place(kernels, columns, weights);
  const memory = new Uint8Array(kernels.buffer());
  for (let row = 0; row < rowCount; row += stripRows) {
    const count = Math.min(stripRows, rowCount - row);
    const start = (firstRow + row) * rowBytes;
    memory.set(data.subarray(start, start + count * rowBytes), strip);
    const out = planes + row * outWidth;
    kernels.resizeRows(strip, rowBytes, channels, count, outWidth, ...at, columns.stride, out, planeBytes);
  }
  return { at: planes, planeBytes, firstRow, end: strip };
}

/** The source rows that any row of the window needs. The outermost one may need fewer than the next: weights of 0 are left out. */
function sourceRows({ first, count }: ResizeWeights): {
  readonly firstRow: number;
  readonly rowCount: number;
} {
  const firstRow = first.reduce((lowest, row) => Math.min(lowest, row));
  const end = first.reduce((highest, row, y) => Math.max(highest, row + count[y]!), 0);
  return { firstRow, rowCount: end - firstRow };
}

/** The vertical pass over each plane, and the copy of what it gives to its place. */
function resizeColumns(
  kernels: Kernels,
  { at: planes, planeBytes, firstRow, end }: Planes,
  rows: ResizeWeights,
  { width, height, start }: { readonly width: number; readonly height: number; readonly start: number },
  { into, rowStride, columnStride, channels }: PixelWriter,
): void {
  const isPlanar = columnStride === 1;
  // Planes are computed one by one into the same memory; channels side by side all before they are copied.
  const floatsPerRow = isPlanar ? width : width * columnStride;
  const levels = end;
  const weights = aligned(levels + 256 * 4 + margin);
  const out = aligned(weights + sizeOf(rows));
  kernels.reserve(out + (height * floatsPerRow + margin) * 4);
  const at = place(kernels, rows, weights);
  const floats = new Float32Array(kernels.buffer(), out, height * floatsPerRow);
  const copyRows = (offset: number): void => {
    if (floatsPerRow === rowStride) into.set(floats, offset);
    else {
      for (let y = 0; y < height; y++) {
        into.set(floats.subarray(y * floatsPerRow, (y + 1) * floatsPerRow), offset + y * rowStride);
      }
    }
  };
  const count = isPlanar ? channels.length : columnStride;
  for (let c = 0; c < count; c++) {
    const channel = channels[c]!;
    new Float32Array(kernels.buffer(), levels, 256).set(channel.levels);
    const plane = planes + c * planeBytes - firstRow * width;
    const first = isPlanar ? out : out + 4 * channel.offset;
    const strides = [isPlanar ? width : floatsPerRow, columnStride];
    kernels.resizeColumns(plane, width, height, ...at, rows.stride, levels, first, ...strides);
    if (isPlanar) copyRows(start + channel.offset);
  }
  if (!isPlanar) copyRows(start);
}

/** Puts weights into the memory; the addresses of first, count and values. */
function place(
  kernels: Kernels,
  { first, count, values }: ResizeWeights,
  address: number,
): [number, number, number] {
  const memory = new Int32Array(kernels.buffer());
  const at = address / 4;
  memory.set(first, at);
  memory.set(count, at + first.length);
  memory.set(values, at + 2 * first.length);
  return [address, address + 4 * first.length, address + 8 * first.length];
}

function sizeOf({ first, values }: ResizeWeights): number {
  return 4 * (2 * first.length + values.length);
}

function aligned(address: number): number {
  return Math.ceil(address / 16) * 16;
}

function fillBlack({ into, width, height, rowStride, columnStride, channels }: PixelWriter): void {
  for (const { offset, levels } of channels) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) into[offset + y * rowStride + x * columnStride] = levels[0]!;
    }
  }
}
