/**
 * Whether the end of an encoded image is missing. Only the marks are followed, no pixel is decoded: some browsers show what is there
 * of a truncated image, where libvips refuses it.
 */
import type { ImageFormat } from './image-format.js';
import { jpegSegments } from './jpeg-segments.js';

/** False too where the marks cannot be followed, and for formats that are not known here. */
export function isTruncated(bytes: Uint8Array, format: ImageFormat): boolean {
  switch (format) {
    case 'jpeg':
      return !hasJpegEnd(bytes);
    case 'png':
      return !hasPngEnd(bytes);
    case 'webp':
      return bytes.length < 8 + viewOf(bytes).getUint32(4, true);
    case 'gif':
      return !hasGifFrame(bytes);
    default:
      return false;
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** An end-of-image marker after the first scan has begun: the thumbnail of EXIF, which has one too, is before it. */
function hasJpegEnd(bytes: Uint8Array): boolean {
  const last = [...jpegSegments(bytes)].at(-1);
  if (!last || last.end > bytes.length) return false;
  if (last.marker !== 0xda) return true;
  // Pixels never hold this pair: after an 0xff of theirs comes a 0.
  for (let end = bytes.lastIndexOf(0xd9); end > last.end; end = bytes.lastIndexOf(0xd9, end - 1)) {
    if (bytes[end - 1] === 0xff) return true;
  }
  return false;
}

function hasPngEnd(bytes: Uint8Array): boolean {
  const view = viewOf(bytes);
  for (let at = 8; at + 8 <= bytes.length; at += 12 + view.getUint32(at)) {
    if (view.getUint32(at + 4) === 0x49454e44) return true; // IEND
  }
  return false;
}

/** Of an animation, the first picture is enough. */
function hasGifFrame(bytes: Uint8Array): boolean {
  const tableBytes = (flags: number): number => (flags & 0x80 ? 3 * 2 ** ((flags & 7) + 1) : 0);
  let at = 13 + tableBytes(bytes[10] ?? 0);
  while (at < bytes.length) {
    const isPicture = bytes[at] === 0x2c;
    if (!isPicture && bytes[at] !== 0x21) return true;
    at += isPicture ? 11 + tableBytes(bytes[at + 9] ?? 0) : 2;
    // Blocks with their length before them, up to an empty one.
    while (at < bytes.length && bytes[at] !== 0) at += 1 + bytes[at]!;
    if (isPicture) return at < bytes.length;
    at++;
  }
  return false;
}
