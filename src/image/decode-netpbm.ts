/** PBM, PGM and PPM, bits, grey and coloured levels after a line of text, binary (P4, P5, P6) or in figures (P1, P2, P3), which libvips does not read here. */
import { GraftError } from '../errors.js';
import type { DecodedImage } from './decoded-image.js';
import { assertFew, type PlainOptions, readingWhole } from './plain-images.js';

/** @throws GraftError INVALID_IMAGE */
export function decodeNetpbm(bytes: Uint8Array, { maxPixels }: PlainOptions): DecodedImage {
  return readingWhole(() => {
    const kind = bytes[1]! - 0x30;
    const channels = kind % 3 === 0 ? 3 : 1;
    const isBits = kind % 3 === 1;
    let at = 2;
    const isBlank = (byte: number | undefined): boolean =>
      byte === 0x20 || (byte !== undefined && byte >= 9 && byte <= 13);
    const skipBlanks = (): void => {
      while (isBlank(bytes[at]) || bytes[at] === 0x23) {
        if (bytes[at] === 0x23) while (at < bytes.length && bytes[at] !== 0x0a && bytes[at] !== 0x0d) at++;
        else at++;
      }
    };
    const figure = (): number => {
      skipBlanks();
      const from = at;
      let value = 0;
      for (let byte = bytes[at]; byte !== undefined && byte >= 0x30 && byte <= 0x39; byte = bytes[++at])
        value = Math.min(10 * value + byte - 0x30, 2 ** 31);
      if (at === from) throw new RangeError('a number is missing');
      return value;
    };
    const [width, height, most] = [figure(), figure(), isBits ? 1 : figure()];
    assertFew(width, height, maxPixels);
    if (most < 1 || most > 65535)
      throw new GraftError(
        'INVALID_IMAGE',
        `Expected levels up to 1 to 65535 in the image but it names ${most}.`,
      );
    const count = width * height * channels;
    const isText = kind < 4;
    const size = most > 255 ? 2 : 1;
    // One blank ends the header: the next byte may look like one.
    if (!isText) at++;
    const rowBytes = kind === 4 ? Math.ceil(width / 8) : width * channels * size;
    // A figure takes two bytes at least, the last one its own; bits may stand without blanks between.
    const least = !isText ? rowBytes * height : isBits ? count : 2 * count - 1;
    if (at + least > bytes.length) throw new RangeError('the pixels end before the last row');
    const data = new Uint8Array(count);
    // A bit that is set is black.
    if (kind === 4) {
      for (let i = 0; i < count; i++) {
        const x = i % width;
        const byte = bytes[at + ((i - x) / width) * rowBytes + (x >> 3)]!;
        data[i] = (byte << (x & 7)) & 0x80 ? 0 : 255;
      }
      return { width, height, channels, data };
    }
    // Pillow rounds 8 bits; 16 are cut to 8, as in other formats.
    const scaled = (value: number): number =>
      most === 255 ? value : Math.min(255, Math.round((value * 255) / most));
    const bit = (): number => {
      skipBlanks();
      const digit = bytes[at++];
      if (digit !== 0x30 && digit !== 0x31) throw new RangeError('a bit is missing');
      return digit === 0x31 ? 0 : 255;
    };
    const next = (): number => {
      if (isBits) return bit();
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
