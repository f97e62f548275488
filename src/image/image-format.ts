/** What the first bytes of an encoded image say, without decoding it. */

import { jpegSegments } from './jpeg-segments.js';

export type ImageFormat = 'jpeg' | 'png' | 'webp' | 'gif' | 'tiff' | 'avif' | 'svg' | 'bmp' | 'netpbm';

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
  // The header's size beside the two letters: texts may begin with these.
  if (
    startsWith('BM') &&
    bytes.length >= 26 &&
    [12, 40, 52, 56, 64, 108, 124].includes(bytes[14]!) &&
    bytes[15] === 0
  )
    return 'bmp';
  if (
    startsWith('P') &&
    '123456'.includes(String.fromCharCode(bytes[1] ?? 0)) &&
    /[\s#]/.test(String.fromCharCode(bytes[2] ?? 0))
  )
    return 'netpbm';
  return startsWithMarkup(bytes) ? 'svg' : undefined;
}

/** Kinds of images that are not read here, by what they begin with; dots stand for any byte. */
const unreadKinds: readonly (readonly [kind: string, start: string])[] = [
  ...['hei', 'hev', 'mif1', 'msf1'].map((brand) => ['HEIC', `....ftyp${brand}`] as const),
  ['JPEG XL', '\xff\x0a'],
  ['JPEG XL', '....JXL '],
  ['JPEG 2000', '....jP  '],
  ['a Photoshop document', '8BPS'],
  ['a PDF', '%PDF'],
];

/** What they are that have no format of those above, where that is known: for messages. */
export function unreadKind(bytes: Uint8Array): string | undefined {
  const startsWith = (start: string): boolean =>
    [...start].every((letter, i) => letter === '.' || bytes[i] === letter.charCodeAt(0));
  return unreadKinds.find(([, start]) => startsWith(start))?.[0];
}

/** What Git leaves in place of a large file that was not fetched. */
export function isLfsPointer(bytes: Uint8Array): boolean {
  return String.fromCharCode(...bytes.subarray(0, 23)) === 'version https://git-lfs';
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

/** Width and height as stored, where a few bytes at a known place tell. */
export function readImageSize(
  bytes: Uint8Array,
  format: ImageFormat,
): { readonly width: number; readonly height: number } | undefined {
  if (format === 'jpeg') return readJpegFrame(bytes);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (format === 'png' && bytes.length >= 24) {
    return { width: view.getUint32(16), height: view.getUint32(20) };
  }
  if (format === 'webp' && bytes.length >= 30) {
    switch (view.getUint32(12)) {
      case 0x56503820: // "VP8 ", lossy
        return { width: view.getUint16(26, true) & 0x3fff, height: view.getUint16(28, true) & 0x3fff };
      case 0x5650384c: {
        // "VP8L", lossless: 14 bits each
        const bits = view.getUint32(21, true);
        return { width: (bits & 0x3fff) + 1, height: ((bits >> 14) & 0x3fff) + 1 };
      }
    }
  }
  return undefined;
}

export interface JpegFrame {
  /** As stored, before EXIF orientation. */
  readonly width: number;
  readonly height: number;
  /** 1 grey, 3 colour, 4 CMYK. */
  readonly components: number;
  /** Bits of a level: 8 nearly always. */
  readonly precision: number;
  /** True where EXIF tells an orientation other than upright, or cannot be followed here. */
  readonly mayBeTurned: boolean;
}

/** The frame header of a JPEG, or undefined where none is found before the pixels. */
export function readJpegFrame(bytes: Uint8Array): JpegFrame | undefined {
  let mayBeTurned = false;
  for (const { marker, start, end } of jpegSegments(bytes)) {
    if (start + 9 >= bytes.length) return undefined;
    if (marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc) {
      return {
        precision: bytes[start + 4]!,
        height: (bytes[start + 5]! << 8) | bytes[start + 6]!,
        width: (bytes[start + 7]! << 8) | bytes[start + 8]!,
        components: bytes[start + 9]!,
        mayBeTurned,
      };
    }
    if (marker === 0xe1) mayBeTurned ||= !isUpright(bytes.subarray(start + 4, end));
  }
  return undefined;
}

const exifMark = [...'Exif\0\0'].map((letter) => letter.charCodeAt(0));
const orientationTag = 0x0112;

/** Whether an APP1 segment says nothing of an orientation, or says 1. */
function isUpright(segment: Uint8Array): boolean {
  return !exifMark.every((byte, i) => segment[i] === byte) || exifOrientation(segment.subarray(6)) === 1;
}

/** The orientation, 1 to 8, in the first directory of a TIFF header, as EXIF is one; undefined where that cannot be followed. */
export function exifOrientation(exif: Uint8Array): number | undefined {
  const tiff = new DataView(exif.buffer, exif.byteOffset, exif.byteLength);
  if (tiff.byteLength < 8) return undefined;
  const littleEndian = tiff.getUint16(0) === 0x4949;
  const directory = tiff.getUint32(4, littleEndian);
  if (directory + 2 > tiff.byteLength) return undefined;
  const entries = tiff.getUint16(directory, littleEndian);
  if (directory + 2 + 12 * entries > tiff.byteLength) return undefined;
  for (let entry = directory + 2, i = 0; i < entries; i++, entry += 12)
    if (tiff.getUint16(entry, littleEndian) === orientationTag)
      return tiff.getUint16(entry + 8, littleEndian);
  return 1;
}
