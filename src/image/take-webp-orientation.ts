import { exifOrientation } from './image-format.js';

/**
 * The orientation, 1 to 8, that the EXIF of a WebP tells. Chromium disregards it and others may not, so its chunk is given another name
 * in `bytes`, by which no decoder knows it.
 */
export function takeWebpOrientation(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  // Chunks of an even length, after "RIFF", a size and "WEBP".
  for (let at = 12; at + 8 <= bytes.length;) {
    const size = view.getUint32(at + 4, true);
    if (view.getUint32(at) === 0x45584946) {
      view.setUint32(at, 0x6e6f6e65); // "EXIF", "none"
      const chunk = bytes.subarray(at + 8, at + 8 + size);
      // As the APP1 segment of a JPEG begins, which some writers copy.
      const hasMark = String.fromCharCode(...chunk.subarray(0, 4)) === 'Exif';
      return exifOrientation(hasMark ? chunk.subarray(6) : chunk) ?? 1;
    }
    at += 8 + size + (size % 2);
  }
  return 1;
}
