/**
 * Encoded images and camera frames to the pixels that `decode-image.ts` gives in Node: upright, 8 bits, profiles as the
 * spec has them, transparency laid on the spec's colour.
 */
import { GraftError } from '../errors.js';
import { type DecodedImage, type ImageSize, maxImagePixels } from '../image/decoded-image.js';
import { dropColourNotes } from '../image/drop-colour-notes.js';
import { type ImageFormat, imageFormat, readImageSize, unreadKind } from '../image/image-format.js';
import { isTruncated } from '../image/is-truncated.js';
import { takeWebpOrientation } from '../image/take-webp-orientation.js';
import type { Colour, PreprocessSpec } from '../models/preprocess-spec.js';
import { readBelowAlpha } from './read-below-alpha.js';
import { turnBitmap } from './turn-bitmap.js';

/** @throws GraftError INVALID_IMAGE with the reason. */
export async function decodeBlob(blob: Blob, { profiles }: PreprocessSpec): Promise<ImageBitmap> {
  if (blob.size === 0) throw invalidImage('The image is an empty file.');
  const buffer = await blob.arrayBuffer().catch((cause: unknown) => {
    // As for a folder that was dropped.
    throw invalidImage('The file cannot be read.', cause);
  });
  const bytes = new Uint8Array(buffer);
  const format = imageFormat(bytes);
  if (format && isTruncated(bytes, format))
    throw invalidImage(`The ${format.toUpperCase()} is truncated or damaged.`);
  const size = format && readImageSize(bytes, format);
  if (size) assertNotTooLarge(size);
  const orientation = format === 'webp' ? takeWebpOrientation(bytes) : 1;
  try {
    const bitmap = await createImageBitmap(
      new Blob([dropColourNotes(bytes, format, profiles)], { type: blob.type }),
      {
        imageOrientation: 'from-image',
        premultiplyAlpha: 'none',
        colorSpaceConversion: profiles === 'convert' ? 'default' : 'none',
      },
    );
    return turnBitmap(bitmap, orientation);
  } catch (error) {
    throw invalidImage(whyNot(format, bytes), error);
  }
}

function invalidImage(reason: string, cause?: unknown): GraftError {
  return new GraftError('INVALID_IMAGE', reason, { cause });
}

function whyNot(format: ImageFormat | undefined, bytes: Uint8Array): string {
  if (format === undefined) {
    const kind = unreadKind(bytes);
    return kind === undefined
      ? 'This is not an image of a known format (JPEG, PNG, WebP, AVIF, GIF).'
      : `The image is ${kind}, which this browser does not decode; convert it to JPEG or PNG.`;
  }
  const name = format.toUpperCase();
  if (format === 'tiff' || format === 'svg' || format === 'netpbm')
    return `This page does not decode ${name}; graft predict does.`;
  return `The ${name} is damaged, too large for this browser, or of a kind that it does not decode; graft predict may.`;
}

/** Rows that are read at a time, so that a large photo is not held several times. */
const stripPixels = 2 ** 21;

/** @throws GraftError INVALID_IMAGE where there are too many pixels. */
export function readPixels(
  bitmap: ImageBitmap,
  { background = [255, 255, 255] }: PreprocessSpec,
): DecodedImage {
  const { width, height } = bitmap;
  assertNotTooLarge(bitmap);
  const data = allocate(width * height * 3);
  const rows = Math.min(height, Math.max(1, Math.floor(stripPixels / width)));
  const canvas = new OffscreenCanvas(width, rows);
  const context = canvas.getContext('2d', { willReadFrequently: true, colorSpace: 'srgb' })!;
  for (let top = 0; top < height; top += rows) {
    const count = Math.min(rows, height - top);
    context.clearRect(0, 0, width, rows);
    context.drawImage(bitmap, 0, -top);
    const { data: strip } = context.getImageData(0, 0, width, count);
    if (!isOpaque(strip)) return { width, height, channels: 3, data: layOn(background, bitmap, data) };
    for (let i = 0, o = top * width * 3; i < strip.length; i += 4) {
      data[o++] = strip[i]!;
      data[o++] = strip[i + 1]!;
      data[o++] = strip[i + 2]!;
    }
  }
  return { width, height, channels: 3, data };
}

function assertNotTooLarge({ width, height }: ImageSize): void {
  if (width * height > maxImagePixels)
    throw invalidImage(`The image has more than ${maxImagePixels} pixels.`);
}

function allocate(bytes: number): Uint8Array {
  try {
    return new Uint8Array(bytes);
  } catch (error) {
    throw invalidImage('The image is too large for the memory of this page.', error);
  }
}

function isOpaque(rgba: Uint8ClampedArray): boolean {
  for (let i = 3; i < rgba.length; i += 4) if (rgba[i] !== 255) return false;
  return true;
}

/** A canvas keeps colours multiplied by their alpha, which loses bits of them: they are read past it. */
function layOn(background: Colour | 'none', bitmap: ImageBitmap, data: Uint8Array): Uint8Array {
  const rgba = readBelowAlpha(bitmap);
  for (let i = 0, o = 0; i < rgba.length; i += 4) {
    const alpha = background === 'none' ? 255 : rgba[i + 3]!;
    for (let c = 0; c < 3; c++, o++) {
      // In libvips' arithmetic: cut, not rounded.
      const under = background === 'none' ? 0 : background[c]! * (255 - alpha);
      data[o] = Math.floor((rgba[i + c]! * alpha + under) / 255);
    }
  }
  return data;
}
