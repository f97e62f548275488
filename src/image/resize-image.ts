/**
 * Pillow's separable resize, bit for bit (8-bit pixels between the two passes, 22-bit weights), whose second pass
 * ends in the normalised floats: no image-sized buffer is made except the reused one between the passes.
 */
import type { ResizeKernel } from '../models/preprocess-spec.js';
import type { DecodedImage } from './decode-image.js';
import type { ResizePlan } from './plan-resize.js';
import { type ResizeWeights, resizeWeights, weightBits } from './resize-weights.js';

/** Where pixel (y, x, c) of the window is written: at y · row + x · column + `channels[c]`'s offset. */
export interface PixelWriter {
  readonly into: Float32Array;
  readonly width: number;
  readonly height: number;
  readonly rowStride: number;
  readonly columnStride: number;
  /** For each source channel: the offset of its first value, and what `clippedLevels` made of its 256 values. */
  readonly channels: readonly { readonly offset: number; readonly levels: Float32Array }[];
}

/** Negative lobes carry sums out of 0 to 255, for these kernels by less than this. */
const lowestLevel = -384;
const levelMask = 1023;

/** A table that clips by being looked up: entry (level − lowestLevel) holds the value of the level clipped to 0 to 255. */
export function clippedLevels(valueOf: (level: number) => number): Float32Array {
  return Float32Array.from({ length: levelMask + 1 }, (_, i) =>
    valueOf(Math.min(255, Math.max(0, i + lowestLevel))),
  );
}

// The work between two awaits is synchronous, so all images of a thread share these.
let between = new Uint8Array(0);
let sums = new Int32Array(0);

const half = 1 << (weightBits - 1);

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
  const length = x1 - x0;
  const planeSize = rowCount * length;
  if (between.length < planeSize * image.channels) between = new Uint8Array(planeSize * image.channels);
  if (plan.width === image.width && x0 === 0 && length === image.width && plan.left === 0) {
    splitPlanes(image, firstRow, rowCount, between);
  } else {
    const columns = resizeWeights(image.width, plan.width, plan.left + x0, length, kernel);
    resizeRows(image, columns, firstRow, rowCount, between);
  }
  for (let c = 0; c < image.channels; c++) {
    const { offset, levels } = writer.channels[c]!;
    const start = offset + y0 * writer.rowStride + x0 * writer.columnStride;
    resizeColumns(between, c * planeSize - firstRow * length, length, rows, writer, start, levels);
  }
}

function lastSource({ first, count }: ResizeWeights): number {
  return first[first.length - 1]! + count[count.length - 1]!;
}

/** Rows that keep their width, from interleaved channels to one plane a channel. */
function splitPlanes(
  { data, width, channels }: DecodedImage,
  firstRow: number,
  rowCount: number,
  out: Uint8Array,
): void {
  const size = rowCount * width;
  const start = firstRow * width * channels;
  for (let c = 0; c < channels; c++) {
    for (let i = 0, p = start + c; i < size; i++, p += channels) out[c * size + i] = data[p]!;
  }
}

/** The horizontal pass over `rowCount` rows from `firstRow`, from interleaved channels to one plane a channel. */
function resizeRows(
  { data, width, channels }: DecodedImage,
  { first, count, values, stride }: ResizeWeights,
  firstRow: number,
  rowCount: number,
  out: Uint8Array,
): void {
  const outWidth = first.length;
  const planeSize = rowCount * outWidth;
  let o = 0;
  for (let y = 0; y < rowCount; y++) {
    const row = (firstRow + y) * width * channels;
    for (let x = 0; x < outWidth; x++, o++) {
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
        out[o + planeSize] = clip(g);
        out[o + 2 * planeSize] = clip(b);
      } else {
        let sum = half;
        for (let k = w; k < end; k++) sum = (sum + Math.imul(data[p++]!, values[k]!)) | 0;
        out[o] = clip(sum);
      }
    }
  }
}

/**
 * The vertical pass over one plane, whose source row y begins at `base + y · length`; it ends in the normalised floats.
 * One and two rows (enlarging by bilinear) go without the sums in between: that is half of the whole time.
 */
function resizeColumns(
  lines: Uint8Array,
  base: number,
  length: number,
  { first, count, values, stride }: ResizeWeights,
  { into, rowStride, columnStride }: PixelWriter,
  start: number,
  levels: Float32Array,
): void {
  for (let y = 0; y < first.length; y++) {
    const w = y * stride;
    const taps = count[y]!;
    const line = base + first[y]! * length;
    let o = start + y * rowStride;
    const w0 = values[w]!;
    if (taps === 2 && columnStride === 1) {
      const w1 = values[w + 1]!;
      const next = line + length;
      for (let i = 0; i < length; i++) {
        const sum = half + Math.imul(lines[line + i]!, w0) + Math.imul(lines[next + i]!, w1);
        into[o + i] = levels[((sum >> weightBits) - lowestLevel) & levelMask]!;
      }
    } else if (taps === 1) {
      for (let i = 0; i < length; i++, o += columnStride) {
        const sum = half + Math.imul(lines[line + i]!, w0);
        into[o] = levels[((sum >> weightBits) - lowestLevel) & levelMask]!;
      }
    } else {
      if (sums.length < length) sums = new Int32Array(length);
      sumRows(lines, line, length, values, w, taps);
      for (let i = 0; i < length; i++, o += columnStride) {
        into[o] = levels[((sums[i]! >> weightBits) - lowestLevel) & levelMask]!;
      }
    }
  }
}

/** Weighted sums of `taps` rows, two or more, into `sums`. */
function sumRows(
  lines: Uint8Array,
  line: number,
  length: number,
  values: Int32Array,
  w: number,
  taps: number,
): void {
  const out = sums;
  const w0 = values[w]!;
  const w1 = values[w + 1]!;
  for (let i = 0; i < length; i++) {
    out[i] = half + Math.imul(lines[line + i]!, w0) + Math.imul(lines[line + length + i]!, w1);
  }
  for (let k = 2; k < taps; k++) {
    const weight = values[w + k]!;
    const row = line + k * length;
    for (let i = 0; i < length; i++) out[i] = out[i]! + Math.imul(lines[row + i]!, weight);
  }
}

function clip(sum: number): number {
  const level = sum >> weightBits;
  return level < 0 ? 0 : level > 255 ? 255 : level;
}

function fillBlack({ into, width, height, rowStride, columnStride, channels }: PixelWriter): void {
  for (const { offset, levels } of channels) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) into[offset + y * rowStride + x * columnStride] = levels[-lowestLevel]!;
    }
  }
}
