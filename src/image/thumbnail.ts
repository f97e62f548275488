/** A small picture of a picture, for pages that stand alone. */
import type { Sharp } from 'sharp';
import { decodeImage } from './decode-image.js';
import { imageFormat } from './image-format.js';
import { loadSharp } from './load-sharp.js';

/** A JPEG of at most `size` pixels a side, upright. @throws where the bytes are no image that can be read. */
export async function thumbnail(bytes: Uint8Array, size = 112): Promise<Uint8Array> {
  const format = imageFormat(bytes);
  const limits = { limitInputPixels: 2 ** 26 };
  return (await (format === 'bmp' || format === 'netpbm' ? ofPixels(bytes) : loadSharp()(bytes, limits)))
    .rotate()
    .resize(size, size, { fit: 'cover' })
    .flatten({ background: '#ffffff' })
    .jpeg({ quality: 70 })
    .toBuffer();
}

/** Of what libvips does not read itself. */
async function ofPixels(bytes: Uint8Array): Promise<Sharp> {
  const { data, ...raw } = await decodeImage(bytes, { maxPixels: 2 ** 26 });
  return loadSharp()(data, { raw });
}
