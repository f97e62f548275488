/** Encoded image bytes to 8-bit RGB; the only file that imports sharp. */
import sharp from 'sharp';
import { GraftError, messageOf } from '../errors.js';

// Many images are decoded at once, each on one thread of libuv's pool; no image is met twice.
sharp.concurrency(1);
sharp.cache(false);

/** Pixels of one image: uint8 [height, width, channels], rows from the top. */
export interface DecodedImage {
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3;
  readonly data: Uint8Array;
}

/** The size from which Pillow too refuses an image as a decompression bomb. */
export const maxImagePixels = 178_956_970;

export interface DecodeOptions {
  /** Width times height above which an image is refused before its pixels are read. */
  readonly maxPixels?: number;
}

/**
 * Decodes JPEG, PNG, WebP, AVIF, TIFF, GIF or SVG to upright 8-bit sRGB [height, width, 3].
 *
 * EXIF orientation is applied, embedded colour profiles and CMYK are converted to sRGB, grey and palette images
 * become RGB, 16 bits become 8, and of an animation the first frame is taken. Transparency is dropped as
 * Pillow's `convert('RGB')` does: the colour stored under it shows, so features agree with Python's. Only SVG,
 * which stores none, is drawn on white.
 *
 * @throws GraftError INVALID_IMAGE with the reason where the bytes are not a whole, readable image.
 */
export async function decodeImage(
  bytes: Uint8Array,
  { maxPixels = maxImagePixels }: DecodeOptions = {},
): Promise<DecodedImage> {
  if (bytes.length === 0) throw new GraftError('INVALID_IMAGE', 'The image is an empty file.');
  try {
    const image = sharp(bytes, {
      // A warning may be as harmless as a stray byte between segments; a missing part is an error.
      failOn: 'error',
      limitInputPixels: maxPixels,
      autoOrient: true,
      sequentialRead: true,
    });
    if (looksLikeText(bytes)) image.flatten({ background: 'white' });
    const { data, info } = await image
      .removeAlpha()
      .toColourspace('srgb')
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    const { width, height, channels } = info;
    if (channels !== 1 && channels !== 3) {
      throw new GraftError('INVALID_IMAGE', `Expected 1 or 3 channels after decoding but got ${channels}.`);
    }
    return { width, height, channels, data };
  } catch (error) {
    throw error instanceof GraftError
      ? error
      : new GraftError('INVALID_IMAGE', reasonOf(messageOf(error), bytes, maxPixels), { cause: error });
  }
}

/** SVG is the one format here that is text: it starts with "<", perhaps after a byte order mark or blanks. */
function looksLikeText(bytes: Uint8Array): boolean {
  let i = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
  while (bytes[i] === 0x20 || bytes[i] === 0x0a || bytes[i] === 0x0d || bytes[i] === 0x09) i++;
  return bytes[i] === 0x3c;
}

function reasonOf(message: string, bytes: Uint8Array, maxPixels: number): string {
  const [firstLine = ''] = message.split('\n');
  if (/pixel limit/i.test(message)) return `The image has more than ${maxPixels} pixels.`;
  if (/unsupported image format/i.test(message)) {
    return `The ${bytes.length} bytes are not an image of a known format (JPEG, PNG, WebP, AVIF, TIFF, GIF, SVG).`;
  }
  if (/premature|truncated|end of (stream|file|input|image)|not enough|out of (data|order)/i.test(message)) {
    return `The image is truncated or damaged (${firstLine.trim()}).`;
  }
  return `The image cannot be decoded (${firstLine.trim()}).`;
}
