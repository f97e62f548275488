/** Windows bitmaps, which libvips does not read: 1 to 8 bits with a palette, run-length encoded or not, 16, 24 and 32 bits, in Pillow's arithmetic. */
import { GraftError } from '../errors.js';
import type { DecodedImage } from './decoded-image.js';
import { assertFew, type PlainOptions, readingWhole } from './plain-images.js';

/** Where a channel lies in a pixel of 16 or 32 bits. */
interface Channel {
  readonly shift: number;
  readonly most: number;
}

/** @throws GraftError INVALID_IMAGE */
export function decodeBmp(bytes: Uint8Array, { maxPixels, background }: PlainOptions): DecodedImage {
  return readingWhole(() => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const start = view.getUint32(10, true);
    const headerSize = view.getUint32(14, true);
    // OS/2's header of 12 bytes has sizes of 16 bits and a palette of 3 bytes a colour.
    const isCore = headerSize === 12;
    const width = isCore ? view.getUint16(18, true) : view.getInt32(18, true);
    const signedHeight = isCore ? view.getUint16(20, true) : view.getInt32(22, true);
    const bits = view.getUint16(isCore ? 24 : 28, true);
    const compression = isCore ? 0 : view.getUint32(30, true);
    const height = Math.abs(signedHeight);
    assertFew(width, height, maxPixels);
    const hasMasks = compression === 3 || compression === 6;
    const hasRuns = (compression === 1 && bits === 8) || (compression === 2 && bits === 4);
    if (
      ![1, 2, 4, 8, 16, 24, 32].includes(bits) ||
      (compression !== 0 && !hasRuns && !(hasMasks && bits >= 16 && bits !== 24))
    )
      throw new GraftError(
        'INVALID_IMAGE',
        `The bitmap of ${bits} bits is compressed (${compression}), which is not read; convert it to PNG.`,
      );
    const rowBytes = Math.ceil((width * bits) / 32) * 4;
    if (!hasRuns && start + rowBytes * height > bytes.length)
      throw new RangeError('the pixels end before the last row');
    const indices = hasRuns ? expandRuns(bytes, start, { width, height, bits }) : undefined;
    const data = new Uint8Array(width * height * 3);
    const maskOf = (i: number): Channel => channelOf(view.getUint32(54 + 4 * i, true));
    const channels = hasMasks
      ? [maskOf(0), maskOf(1), maskOf(2)]
      : (bits === 16 ? [0x7c00, 0x3e0, 0x1f] : [0xff0000, 0xff00, 0xff]).map(channelOf);
    const alpha = hasMasks && bits === 32 && headerSize >= 56 ? maskOf(3) : undefined;
    const palette = 14 + headerSize;
    const entryBytes = isCore ? 3 : 4;
    for (let y = 0, o = 0; y < height; y++) {
      const storedRow = signedHeight < 0 ? y : height - 1 - y;
      const row = start + rowBytes * storedRow;
      for (let x = 0; x < width; x++, o += 3) {
        if (bits <= 8 || bits === 24) {
          const index =
            bits === 24
              ? 0
              : indices
                ? indices[storedRow * width + x]!
                : (bytes[row + ((x * bits) >> 3)]! >> (8 - bits - ((x * bits) & 7))) & (2 ** bits - 1);
          const from = bits === 24 ? row + 3 * x : palette + entryBytes * index;
          for (let c = 0; c < 3; c++) data[o + c] = bytes[from + 2 - c]!;
          continue;
        }
        const pixel = bits === 16 ? view.getUint16(row + 2 * x, true) : view.getUint32(row + 4 * x, true);
        const share = alpha && alpha.most > 0 && background !== 'none' ? levelOf(pixel, alpha) / 255 : 1;
        for (let c = 0; c < 3; c++) {
          const level = levelOf(pixel, channels[c]!);
          data[o + c] =
            share === 1 ? level : Math.round(level * share + (background[c] as number) * (1 - share));
        }
      }
    }
    return { width, height, channels: 3, data };
  });
}

function channelOf(mask: number): Channel {
  const shift = mask === 0 ? 0 : 31 - Math.clz32(mask & -mask);
  return { shift, most: (mask >>> shift) >>> 0 };
}

function levelOf(pixel: number, { shift, most }: Channel): number {
  return most === 0 ? 0 : Math.floor((((pixel >>> shift) & most) * 255) / most);
}

/**
 * The indices of run-length encoded pixels, [height, width] in the order of the file. Two bytes are a run, or after a 0 the
 * end of a row (0) or of all (1), steps without pixels (2: right and on), or so many indices as they are (3 and more), filled up
 * to two bytes. What is stepped over has index 0.
 */
function expandRuns(
  bytes: Uint8Array,
  start: number,
  { width, height, bits }: { readonly width: number; readonly height: number; readonly bits: number },
): Uint8Array {
  const indices = new Uint8Array(width * height);
  let [at, x, y] = [start, 0, 0];
  const next = (): number => {
    if (at >= bytes.length) throw new RangeError('the pixels end before the last row');
    return bytes[at++]!;
  };
  const put = (index: number): void => {
    // Past the end of a row there is nothing, as in Pillow.
    if (x < width) indices[y * width + x++] = index;
  };
  while (y < height) {
    const [count, value] = [next(), next()];
    if (count > 0) {
      for (let i = 0; i < count; i++) put(bits === 8 ? value : i % 2 === 0 ? value >> 4 : value & 15);
    } else if (value === 0) [x, y] = [0, y + 1];
    else if (value === 1) break;
    else if (value === 2) [x, y] = [x + next(), y + next()];
    else {
      const from = at;
      for (let i = 0; i < value; i++) {
        const byte = bits === 8 || i % 2 === 0 ? next() : bytes[at - 1]!;
        put(bits === 8 ? byte : i % 2 === 0 ? byte >> 4 : byte & 15);
      }
      at += (at - from) % 2;
    }
  }
  return indices;
}
