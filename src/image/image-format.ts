/** What the first bytes of an encoded image say, without decoding it. */

export type ImageFormat = 'jpeg' | 'png' | 'webp' | 'gif' | 'tiff' | 'avif' | 'svg';

/** The format by its signature, or undefined for anything else: extensions are not believed. */
export function imageFormat(bytes: Uint8Array): ImageFormat | undefined {
  const startsWith = (text: string, at = 0): boolean => {
    for (let i = 0; i < text.length; i++) if (bytes[at + i] !== text.charCodeAt(i)) return false;
    return true;
  };
  if (startsWith('\xff\xd8\xff')) return 'jpeg';
  if (startsWith('\x89PNG\r\n\x1a\n')) return 'png';
  if (startsWith('RIFF') && startsWith('WEBP', 8)) return 'webp';
  if (startsWith('GIF8')) return 'gif';
  if (['II*\0', 'MM\0*', 'II+\0', 'MM\0+'].some((mark) => startsWith(mark))) return 'tiff';
  if (startsWith('ftyp', 4) && isAvif(bytes)) return 'avif';
  return startsWithMarkup(bytes) ? 'svg' : undefined;
}

/** Among the brands of the file type box; HEIC, the box's other user, is not decoded here. */
function isAvif(bytes: Uint8Array): boolean {
  const end = Math.min(bytes.length, 256, (bytes[2]! << 8) | bytes[3]!);
  const brands = String.fromCharCode(...bytes.subarray(8, end));
  return /avif|avis/.test(brands);
}

/** SVG is the one format that is text: it starts with "<", perhaps after a byte order mark or blanks. */
function startsWithMarkup(bytes: Uint8Array): boolean {
  let i = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
  while (bytes[i] === 0x20 || bytes[i] === 0x0a || bytes[i] === 0x0d || bytes[i] === 0x09) i++;
  return bytes[i] === 0x3c;
}

export interface JpegFrame {
  /** As stored, before EXIF orientation. */
  readonly width: number;
  readonly height: number;
  /** 1 grey, 3 colour, 4 CMYK. */
  readonly components: number;
}

/** The frame header of a JPEG, or undefined where none is found before the pixels. */
export function readJpegFrame(bytes: Uint8Array): JpegFrame | undefined {
  let at = 2;
  while (at + 9 < bytes.length && bytes[at] === 0xff) {
    const marker = bytes[at + 1]!;
    if (marker === 0xff) at++;
    else if (marker === 0x01 || (marker >= 0xd0 && marker <= 0xd7)) at += 2;
    else if (marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc) {
      return {
        height: (bytes[at + 5]! << 8) | bytes[at + 6]!,
        width: (bytes[at + 7]! << 8) | bytes[at + 8]!,
        components: bytes[at + 9]!,
      };
    } else if (marker === 0xda || marker === 0xd9) return undefined;
    else at += 2 + ((bytes[at + 2]! << 8) | bytes[at + 3]!);
  }
  return undefined;
}
