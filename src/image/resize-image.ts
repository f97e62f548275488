/**
 * Pillow's separable resize, bit for bit (8-bit pixels between the two passes, 22-bit weights), whose second pass
 * ends in the normalised floats: no image-sized buffer is made except the reused one between the passes.
 */
import type { ResizeKernel } from '../models/preprocess-spec.js';
import type { DecodedImage } from './decode-image.js';
import type { ResizePlan } from './plan-resize.js';
import { type ResizeWeights, resizeWeights, weightBits } from './resize-weights.js';

/** Where pixel (y, x, c) of the window is written: at y · row + x · column + c · `planes[c]`'s offset. */
export interface PixelWriter {
  readonly into: Float32Array;
  readonly width: number;
  readonly height: number;
  readonly rowStride: number;
  readonly columnStride: number;
  /** For each source channel: the offset of its first value, and the value of each of the 256 levels. */
  readonly channels: readonly { readonly offset: number; readonly levels: Float32Array }[];
}

// The work between two awaits is synchronous, so all images of a thread share these.
let between = new Uint8Array(0);
let sums = new Int32Array(0);

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
  const firstRow = rows.first[0]!;
  const rowCount = lastSource(rows) - firstRow;
  const lineLength = (x1 - x0) * image.channels;
  let lines = image.data;
  let base = 0;
  if (plan.width === image.width && x0 === 0 && x1 === image.width && plan.left === 0) {
    base = firstRow * lineLength;
  } else {
    const columns = resizeWeights(image.width, plan.width, plan.left + x0, x1 - x0, kernel);
    if (between.length < rowCount * lineLength) between = new Uint8Array(rowCount * lineLength);
    resizeRows(image, columns, firstRow, rowCount, between);
    lines = between;
  }
  if (sums.length < lineLength) sums = new Int32Array(lineLength);
  for (let y = y0; y < y1; y++) {
    const i = y - y0;
    const start = base + (rows.first[i]! - firstRow) * lineLength;
    const weights = rows.values.subarray(i * rows.stride, i * rows.stride + rows.count[i]!);
    sumRows(lines, start, lineLength, weights, sums);
    writeRow(sums, x0, x1, y, image.channels, writer);
  }
}

function lastSource({ first, count }: ResizeWeights): number {
  return first[first.length - 1]! + count[count.length - 1]!;
}

/** The horizontal pass over `rowCount` rows from `firstRow`. */
function resizeRows(
  { data, width, channels }: DecodedImage,
  { first, count, values, stride }: ResizeWeights,
  firstRow: number,
  rowCount: number,
  out: Uint8Array,
): void {
  const half = 1 << (weightBits - 1);
  const outWidth = first.length;
  let o = 0;
  for (let y = 0; y < rowCount; y++) {
    const row = (firstRow + y) * width * channels;
    for (let x = 0; x < outWidth; x++) {
      const w = x * stride;
      const end = w + count[x]!;
      let p = row + first[x]! * channels;
      if (channels === 3) {
        let r = half;
        let g = half;
        let b = half;
        for (let k = w; k < end; k++) {
          const weight = values[k]!;
          r = (r + Math.imul(data[p]!, weight)) | 0;
          g = (g + Math.imul(data[p + 1]!, weight)) | 0;
          b = (b + Math.imul(data[p + 2]!, weight)) | 0;
          p += 3;
        }
        out[o] = clip(r);
        out[o + 1] = clip(g);
        out[o + 2] = clip(b);
        o += 3;
      } else {
        let sum = half;
        for (let k = w; k < end; k++) sum = (sum + Math.imul(data[p++]!, values[k]!)) | 0;
        out[o++] = clip(sum);
      }
    }
  }
}

/** The vertical pass for one output row, as sums with 22 fractional bits. */
function sumRows(
  lines: Uint8Array,
  start: number,
  length: number,
  weights: Int32Array,
  out: Int32Array,
): void {
  const half = 1 << (weightBits - 1);
  const w0 = weights[0]!;
  if (weights.length === 1) {
    for (let i = 0; i < length; i++) out[i] = half + Math.imul(lines[start + i]!, w0);
    return;
  }
  const w1 = weights[1]!;
  for (let i = 0; i < length; i++) {
    out[i] = half + Math.imul(lines[start + i]!, w0) + Math.imul(lines[start + length + i]!, w1);
  }
  for (let k = 2; k < weights.length; k++) {
    const weight = weights[k]!;
    const line = start + k * length;
    for (let i = 0; i < length; i++) out[i] = out[i]! + Math.imul(lines[line + i]!, weight);
  }
}

function writeRow(
  row: Int32Array,
  x0: number,
  x1: number,
  y: number,
  channelCount: number,
  { into, rowStride, columnStride, channels }: PixelWriter,
): void {
  for (let c = 0; c < channelCount; c++) {
    const { offset, levels } = channels[c]!;
    let o = offset + y * rowStride + x0 * columnStride;
    const end = (x1 - x0) * channelCount;
    for (let i = c; i < end; i += channelCount) {
      into[o] = levels[clip(row[i]!)]!;
      o += columnStride;
    }
  }
}

function clip(sum: number): number {
  const level = sum >> weightBits;
  return level < 0 ? 0 : level > 255 ? 255 : level;
}

function fillBlack({ into, width, height, rowStride, columnStride, channels }: PixelWriter): void {
  for (const { offset, levels } of channels) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) into[offset + y * rowStride + x * columnStride] = levels[0]!;
    }
  }
}
