/**
 * Large JPEGs at a part of their size: libjpeg leaves out the high frequencies of each block of 8 x 8, which a resize to a small
 * input would average away, and with them most of the work: a photo of 12 megapixels takes a quarter of the time.
 *
 * Pixels stay within 1 level of 255 of those of the whole photo on average, and within 8. Only drawings in
 * saturated colours go further, at their edges: in the whole picture libjpeg cuts off what its blocks overshoot.
 */
import type { PreprocessSpec } from '../models/preprocess-spec.js';
import { pixelShape } from '../models/pixel-shape.js';
import type { ImageSize } from './decoded-image.js';
import { imageFormat, readJpegFrame } from './image-format.js';
import { loadSharp } from './load-sharp.js';
import { planResize } from './plan-resize.js';

/** How many times smaller the blocks are decoded. An eighth, of which only giants have enough left, strays further. */
const fractions = [4, 2] as const;

/**
 * How many times larger than its aim the reduced image has to be. With 2 the farthest levels of photos were 12 apart, with 2.4
 * they are 7: Pillow's `reducing_gap`, of which its authors say that 2 is close and 3 not to be told apart.
 */
const gap = 2.4;

/** Below, a whole photo takes some 10 ms. */
const leastPixels = 2 ** 20;

/**
 * The upright size to which to decode the image before the resize of `spec`, where that is less than it has.
 *
 * libvips reduces on load to a fraction 1/k only on the way to at most 1/(k + 1), so that is the size. Sides that k does not
 * divide would be rounded up, and the picture shifted by a part of a pixel.
 */
export async function reducedSize(bytes: Uint8Array, spec: PreprocessSpec): Promise<ImageSize | undefined> {
  if (spec.resize?.kernel !== 'bilinear' && spec.resize?.kernel !== 'bicubic') return undefined;
  if (imageFormat(bytes) !== 'jpeg') return undefined;
  const frame = readJpegFrame(bytes);
  // Inks are mixed at full size.
  if (!frame || frame.components === 4 || frame.precision !== 8) return undefined;
  if (frame.width * frame.height < leastPixels) return undefined;
  const upright = frame.mayBeTurned ? await uprightSize(bytes) : frame;
  if (!upright) return undefined;
  const { width, height } = upright;
  const aim = planResize(spec, upright, pixelShape(spec));
  const ratio = Math.min(width / aim.width, height / aim.height);
  const k = fractions.find((part) => ratio >= (part + 1) * gap && width % part === 0 && height % part === 0);
  return k && { width: Math.floor(width / (k + 1)), height: Math.floor(height / (k + 1)) };
}

/** Undefined where the headers cannot be read: decoding will tell why. */
async function uprightSize(bytes: Uint8Array): Promise<ImageSize | undefined> {
  const metadata = await loadSharp()(bytes)
    .metadata()
    .catch(() => undefined);
  return metadata?.autoOrient;
}
