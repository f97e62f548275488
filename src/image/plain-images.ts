/** What decoders of formats that need no library share. */
import { GraftError, messageOf } from '../errors.js';
import type { Colour } from '../models/preprocess-spec.js';
import type { DecodedImage } from './decoded-image.js';

export interface PlainOptions {
  /** Width times height above which an image is refused before its pixels are read. */
  readonly maxPixels: number;
  readonly background: Colour | 'none';
}

/** @throws GraftError INVALID_IMAGE where there are too many pixels, or none. */
export function assertFew(width: number, height: number, maxPixels: number): void {
  if (!(width > 0 && height > 0))
    throw new GraftError('INVALID_IMAGE', `The image has no pixels (${width} x ${height}).`);
  if (width * height > maxPixels)
    throw new GraftError('INVALID_IMAGE', `The image has more than ${maxPixels} pixels.`);
}

/** Runs what reads past the end, with a RangeError, where bytes are missing. @throws GraftError INVALID_IMAGE */
export function readingWhole(decode: () => DecodedImage): DecodedImage {
  try {
    return decode();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new GraftError('INVALID_IMAGE', `The image is truncated or damaged (${messageOf(error)}).`, {
      cause: error,
    });
  }
}
