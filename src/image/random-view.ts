/** One random view of a decoded photo, as levels of the size that the backbone takes. */
import { createRng, type Rng } from '../rng.js';
import type { AugmentSpec } from './augment-spec.js';
import {
  adjustBrightness,
  adjustContrast,
  adjustSaturation,
  type Picture,
  rotateHue,
} from './color-operations.js';
import type { DecodedImage } from './decoded-image.js';
import { randomAugment } from './random-augment.js';

/** Views are numbered from 1. */
export interface RandomView {
  readonly number: number;
  readonly seed: number;
  readonly augment: AugmentSpec;
}

/** Random numbers that follow from seed, view and content alone: no order of work and no number of workers matters. */
export function viewRng({ seed, number }: RandomView, sha256: Uint8Array): Rng {
  // Most images are taken as they are, and what `import` loads of it every worker would load anew.
  const { createHash } = process.getBuiltinModule('node:crypto');
  const digest = createHash('sha256').update(`view ${number} of seed ${seed}:`).update(sha256).digest();
  return createRng(
    0,
    [0, 4, 8, 12].map((at) => digest.readUInt32LE(at)),
  );
}

/**
 * A window of the image by torchvision's RandomResizedCrop: ten tries to fit a window of a random area (uniform) and
 * ratio (log-uniform), else the largest one in the middle whose ratio is allowed.
 */
export function drawWindow(
  { width, height }: { readonly width: number; readonly height: number },
  { scale, ratio }: NonNullable<AugmentSpec['crop']>,
  rng: Rng,
): { readonly left: number; readonly top: number; readonly width: number; readonly height: number } {
  for (let attempt = 0; attempt < 10; attempt++) {
    const area = width * height * between(scale, rng);
    const aspect = Math.exp(between([Math.log(ratio[0]), Math.log(ratio[1])], rng));
    const w = Math.round(Math.sqrt(area * aspect));
    const h = Math.round(Math.sqrt(area / aspect));
    if (w < 1 || h < 1 || w > width || h > height) continue;
    return { left: rng.integer(width - w + 1), top: rng.integer(height - h + 1), width: w, height: h };
  }
  const aspect = Math.min(ratio[1], Math.max(ratio[0], width / height));
  const w = Math.max(1, Math.min(width, Math.round(height * aspect)));
  const h = Math.max(1, Math.min(height, Math.round(width / aspect)));
  return { left: (width - w) >> 1, top: (height - h) >> 1, width: w, height: h };
}

export function cutWindow(
  { data, channels, width }: DecodedImage,
  window: ReturnType<typeof drawWindow>,
): DecodedImage {
  const line = window.width * channels;
  const cut = new Uint8Array(window.height * line);
  for (let y = 0; y < window.height; y++) {
    const start = ((window.top + y) * width + window.left) * channels;
    cut.set(data.subarray(start, start + line), y * line);
  }
  return { width: window.width, height: window.height, channels, data: cut };
}

/** Everything but the crop, in place. */
export function augmentLevels(picture: Picture, { flip, color, randaugment }: AugmentSpec, rng: Rng): void {
  if (flip && rng.uniform() < flip.probability) {
    const { levels, width } = picture;
    for (let at = 0; at < levels.length; at += width) levels.subarray(at, at + width).reverse();
  }
  if (color) {
    const factor = (reach: number): number => between([Math.max(0, 1 - reach), 1 + reach], rng);
    adjustBrightness(picture, factor(color.brightness));
    adjustContrast(picture, factor(color.contrast));
    adjustSaturation(picture, factor(color.saturation));
    if (color.hue > 0) rotateHue(picture, between([-color.hue, color.hue], rng));
  }
  if (randaugment) randomAugment(picture, randaugment, rng);
}

function between([least, most]: readonly [number, number], rng: Rng): number {
  return least + (most - least) * rng.uniform();
}
