/** PGM and PPM, grey and coloured levels after a line of text, binary (P5, P6) or in figures (P2, P3), which libvips does not read here. */
import { GraftError } from '../errors.js';
import type { DecodedImage } from './decoded-image.js';
import { assertFew, type PlainOptions, readingWhole } from './plain-images.js';

/** @throws GraftError INVALID_IMAGE */
export function decodeNetpbm(bytes: Uint8Array, { maxPixels }: PlainOptions): DecodedImage {
  return readingWhole(() => {
    const kind = bytes[1]! - 0x30;
    const channels = kind === 2 || kind === 5 ? 1 : 3;
    let at = 2;
    const isBlank = (byte: number | undefined): boolean =>
      byte === 0x20 || (byte !== undefined && byte >= 9 && byte <= 13);
    const figure = (): number => {
      while (isBlank(bytes[at]) || bytes[at] === 0x23) {
        if (bytes[at] === 0x23) while (at < bytes.length && bytes[at] !== 0x0a && bytes[at] !== 0x0d) at++;
        else at++;
      }
      const from = at;
      let value = 0;
      for (let byte = bytes[at]; byte !== undefined && byte >= 0x30 && byte <= 0x39; byte = bytes[++at])
        value = Math.min(10 * value + byte - 0x30, 2 ** 31);
      if (at === from) throw new RangeError('a number is missing');
      return value;
    };
    const [width, height, most] = [figure(), figure(), figure()];
    assertFew(width, height, maxPixels);
    if (most < 1 || most > 65535)
      throw new GraftError(
        'INVALID_IMAGE',
        `Expected levels up to 1 to 65535 in the image but it names ${most}.`,
      );
    const count = width * height * channels;
    const isText = kind < 4;
    const size = most > 255 ? 2 : 1;
    // One blank ends the header: the next byte may look like one. A figure takes two bytes at least, the last one its own.
    if (!isText) at++;
    if (at + count * (isText ? 2 : size) - (isText ? 1 : 0) > bytes.length)
      throw new RangeError('the pixels end before the last row');
    const data = new Uint8Array(count);
    // Pillow rounds 8 bits; 16 are cut to 8, as in other formats.
    const scaled = (value: number): number =>
      most === 255 ? value : Math.min(255, Math.round((value * 255) / most));
    const next = (): number => {
      if (isText) return scaled(Math.min(figure(), most));
      const first = bytes[at]!;
      const value = size === 1 || most === 65535 ? first : (first << 8) | bytes[at + 1]!;
      at += size;
      return size === 2 && most === 65535 ? value : scaled(value);
    };
    for (let i = 0; i < count; i++) data[i] = next();
    return { width, height, channels, data };
  });
}
