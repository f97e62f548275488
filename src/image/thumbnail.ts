/** A small picture of a picture, for pages that stand alone. */
import { loadSharp } from './load-sharp.js';

/** A JPEG of at most `size` pixels a side, upright. @throws where the bytes are no image that can be read. */
export async function thumbnail(bytes: Uint8Array, size = 112): Promise<Uint8Array> {
  return loadSharp()(bytes, { limitInputPixels: 2 ** 26 })
    .rotate()
    .resize(size, size, { fit: 'cover' })
    .flatten({ background: '#ffffff' })
    .jpeg({ quality: 70 })
    .toBuffer();
}
