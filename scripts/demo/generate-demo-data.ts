/**
 * Draws a small data set: photos of six kinds of cloth, seeded. Every picture has its own colours, scale, rotation,
 * place, light and noise, so that single pixels say next to nothing about the class.
 */
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import sharp from 'sharp';
import { createRng, type Rng } from '../../src/rng.js';

export interface DemoDataOptions {
  readonly folder: string;
  readonly seed: number;
  readonly perClass?: number;
}

const side = 96;

/** Brightness in 0..1 at a point of the cloth, in units of its weave. */
type Pattern = (x: number, y: number) => number;

const fraction = (value: number): number => value - Math.floor(value);

const patterns: Readonly<Record<string, Pattern>> = {
  checks: (x, y) => (fraction(x) < 0.5 === fraction(y) < 0.5 ? 1 : 0),
  dots: (x, y) => (Math.hypot(fraction(x) - 0.5, fraction(y) - 0.5) < 0.3 ? 1 : 0),
  herringbone: (x, y) => (fraction(x + 2 * Math.abs(fraction(y / 2) - 0.5)) < 0.5 ? 1 : 0),
  rings: (x, y) =>
    fraction(1.5 * Math.hypot(fraction(x / 3) * 3 - 1.5, fraction(y / 3) * 3 - 1.5)) < 0.5 ? 1 : 0,
  stripes: (x) => (fraction(x) < 0.5 ? 1 : 0),
  tartan: (x, y) => (fraction(x) < 0.35 ? 0.5 : 0) + (fraction(y) < 0.35 ? 0.5 : 0),
};

export async function generateDemoData({ folder, seed, perClass = 80 }: DemoDataOptions): Promise<void> {
  const rng = createRng(seed);
  for (const [name, pattern] of Object.entries(patterns)) {
    await mkdir(path.join(folder, name), { recursive: true });
    for (let i = 0; i < perClass; i++) {
      const pixels = draw(pattern, rng);
      const file = path.join(folder, name, `${name}-${String(i).padStart(3, '0')}.png`);
      await sharp(pixels, { raw: { width: side, height: side, channels: 3 } })
        .png()
        .toFile(file);
    }
  }
}

function draw(pattern: Pattern, rng: Rng): Uint8Array {
  const angle = rng.uniform() * Math.PI;
  const scale = 1 / (9 + 9 * rng.uniform());
  const [shiftX, shiftY] = [rng.uniform() * 10, rng.uniform() * 10];
  const bright = [0, 0, 0].map(() => 0.45 + 0.5 * rng.uniform());
  const dark = bright.map((value) => value - (0.2 + 0.25 * rng.uniform()));
  const lightAngle = rng.uniform() * 2 * Math.PI;
  const pixels = new Uint8Array(side * side * 3);
  for (let v = 0; v < side; v++) {
    for (let u = 0; u < side; u++) {
      const x = (u * Math.cos(angle) - v * Math.sin(angle)) * scale + shiftX;
      const y = (u * Math.sin(angle) + v * Math.cos(angle)) * scale + shiftY;
      const share = pattern(x, y);
      const light =
        1 + (0.4 * ((u - side / 2) * Math.cos(lightAngle) + (v - side / 2) * Math.sin(lightAngle))) / side;
      for (let c = 0; c < 3; c++) {
        const value = light * (dark[c]! + share * (bright[c]! - dark[c]!)) + 0.06 * rng.normal();
        pixels[(v * side + u) * 3 + c] = Math.max(0, Math.min(255, Math.round(255 * value)));
      }
    }
  }
  return pixels;
}
