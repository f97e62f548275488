/**
 * RandAugment (Cubuk et al. 2019): some operations drawn from fourteen, all of one magnitude; the ranges are torchvision's.
 * Moved pixels are interpolated; what comes from outside the picture is black.
 */
import type { Rng } from '../rng.js';
import {
  adjustBrightness,
  adjustContrast,
  adjustSaturation,
  adjustSharpness,
  equalize,
  type Picture,
  posterize,
  solarize,
  stretchContrast,
} from './color-operations.js';

const mostMagnitude = 30;

/** `share` of the range, `sign` −1 or 1. */
type Operation = (picture: Picture, share: number, sign: number) => void;

const operations: readonly Operation[] = [
  () => {},
  (picture, share, sign) => warp(picture, [1, 0.3 * share * sign, 0, 1], 0, 0),
  (picture, share, sign) => warp(picture, [1, 0, 0.3 * share * sign, 1], 0, 0),
  (picture, share, sign) => warp(picture, [1, 0, 0, 1], (150 / 331) * picture.width * share * sign, 0),
  (picture, share, sign) => warp(picture, [1, 0, 0, 1], 0, (150 / 331) * picture.height * share * sign),
  (picture, share, sign) => {
    const angle = (Math.PI / 6) * share * sign;
    warp(picture, [Math.cos(angle), Math.sin(angle), -Math.sin(angle), Math.cos(angle)], 0, 0);
  },
  (picture, share, sign) => adjustBrightness(picture, 1 + 0.9 * share * sign),
  (picture, share, sign) => adjustSaturation(picture, 1 + 0.9 * share * sign),
  (picture, share, sign) => adjustContrast(picture, 1 + 0.9 * share * sign),
  (picture, share, sign) => adjustSharpness(picture, 1 + 0.9 * share * sign),
  (picture, share) => posterize(picture, 8 - Math.round(4 * share)),
  (picture, share) => solarize(picture, 255 * (1 - share)),
  (picture) => stretchContrast(picture),
  (picture) => equalize(picture),
];

export function randomAugment(
  picture: Picture,
  { operations: count, magnitude }: { readonly operations: number; readonly magnitude: number },
  rng: Rng,
): void {
  for (let i = 0; i < count; i++) {
    const operation = operations[rng.integer(operations.length)]!;
    operation(picture, magnitude / mostMagnitude, rng.uniform() < 0.5 ? -1 : 1);
  }
}

/**
 * Pixel (x, y) becomes what was at the centre + M · ((x, y) − centre) + (dx, dy), bilinear.
 * @param matrix - M by rows
 */
export function warp(
  { levels, channels, width, height }: Picture,
  [a, b, c, d]: readonly [number, number, number, number],
  dx: number,
  dy: number,
): void {
  const before = levels.slice();
  const size = width * height;
  const cx = (width - 1) / 2;
  const cy = (height - 1) / 2;
  const at = (x: number, y: number, plane: number): number =>
    x >= 0 && x < width && y >= 0 && y < height ? before[plane + y * width + x]! : 0;
  for (let y = 0, o = 0; y < height; y++) {
    for (let x = 0; x < width; x++, o++) {
      const sx = cx + a * (x - cx) + b * (y - cy) + dx;
      const sy = cy + c * (x - cx) + d * (y - cy) + dy;
      const x0 = Math.floor(sx);
      const y0 = Math.floor(sy);
      const u = sx - x0;
      const v = sy - y0;
      for (let plane = 0; plane < channels * size; plane += size) {
        const upper = at(x0, y0, plane) * (1 - u) + at(x0 + 1, y0, plane) * u;
        const lower = at(x0, y0 + 1, plane) * (1 - u) + at(x0 + 1, y0 + 1, plane) * u;
        levels[plane + o] = upper * (1 - v) + lower * v;
      }
    }
  }
}
