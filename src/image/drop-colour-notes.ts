/**
 * Encoded images without the notes on their colours that `decode-image.ts` disregards: some browsers heed them, whatever they
 * are told.
 */
import type { ImageFormat } from './image-format.js';
import { jpegSegments } from './jpeg-segments.js';

interface Range {
  readonly start: number;
  /** May be past the end of the bytes. */
  readonly end: number;
}

/**
 * @param profiles - `convert` keeps ICC profiles; the gamma and primaries of a PNG are dropped even so, as libvips does
 * not know them
 * @returns `bytes` themselves where there is nothing to drop, or nothing known of the format
 */
export function dropColourNotes(
  bytes: Uint8Array<ArrayBuffer>,
  format: ImageFormat | undefined,
  profiles: 'ignore' | 'convert' = 'ignore',
): Uint8Array<ArrayBuffer> {
  const isIgnored = profiles === 'ignore';
  if (format === 'png') return without(bytes, pngChunks(bytes, isIgnored ? [...pngNotes, 'iCCP'] : pngNotes));
  return format === 'jpeg' && isIgnored ? without(bytes, iccSegments(bytes)) : bytes;
}

/** In one piece: of a Blob in several, Firefox judges the format by the first. */
function without(bytes: Uint8Array<ArrayBuffer>, ranges: Iterable<Range>): Uint8Array<ArrayBuffer> {
  let result: Uint8Array<ArrayBuffer> | undefined;
  let length = 0;
  let kept = 0;
  for (const { start, end } of ranges) {
    result ??= new Uint8Array(bytes.length);
    result.set(bytes.subarray(kept, start), length);
    length += start - kept;
    kept = end;
  }
  if (!result) return bytes;
  const rest = bytes.subarray(kept);
  result.set(rest, length);
  return result.subarray(0, length + rest.length);
}

const pngNotes = ['gAMA', 'cHRM', 'cICP'];

function* pngChunks(bytes: Uint8Array, types: readonly string[]): Generator<Range, void> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let start = 8;
  while (start + 8 <= bytes.length) {
    const type = String.fromCharCode(...bytes.subarray(start + 4, start + 8));
    // They stand before the pixels.
    if (type === 'IDAT') return;
    const end = start + 12 + view.getUint32(start);
    if (types.includes(type)) yield { start, end };
    start = end;
  }
}

const iccMark = 'ICC_PROFILE\0';

function* iccSegments(bytes: Uint8Array): Generator<Range, void> {
  for (const { marker, start, end } of jpegSegments(bytes)) {
    const text = String.fromCharCode(...bytes.subarray(start + 4, start + 4 + iccMark.length));
    if (marker === 0xe2 && text === iccMark) yield { start, end };
  }
}
