/** Pixels as specs compare them: the levels that a backbone would get, before scale, mean and std. */
import { expect } from 'chai';
import sharp, { type Sharp } from 'sharp';
import { preprocessImage } from '../../src/image/preprocess-image.js';
import type { PreprocessSpec } from '../../src/models/preprocess-spec.js';
import { pixelShape } from '../../src/models/pixel-shape.js';

/** The part of a spec that decides about pixels. */
export type PixelSpec = Pick<PreprocessSpec, 'resize' | 'crop' | 'channelOrder'>;

/** Levels 0 to 255 of an image under a spec, [height, width, channels]. */
export async function readLevels(bytes: Uint8Array, spec: PixelSpec): Promise<Float32Array> {
  const count = spec.channelOrder === 'gray' ? 1 : 3;
  const whole: PreprocessSpec = {
    ...spec,
    scale: 1,
    mean: new Array<number>(count).fill(0),
    std: new Array<number>(count).fill(1),
    layout: 'nhwc',
  };
  const { height, width, channels } = pixelShape(whole);
  const levels = new Float32Array(height * width * channels);
  await preprocessImage(bytes, whole, levels);
  return levels;
}

export interface Difference {
  readonly mean: number;
  readonly max: number;
}

/** Absolute differences, in levels. */
export function difference(a: ArrayLike<number>, b: ArrayLike<number>): Difference {
  expect(a.length).to.equal(b.length);
  let sum = 0;
  let max = 0;
  for (let i = 0; i < a.length; i++) {
    const d = Math.abs(a[i]! - b[i]!);
    sum += d;
    if (d > max) max = d;
  }
  return { mean: sum / a.length, max };
}

export type Colour = readonly [number, number, number];

/** An image of `width` by `height` whose pixel (x, y) is `colour(x, y)`, as raw input of sharp. */
export function draw(width: number, height: number, colour: (x: number, y: number) => Colour): Sharp {
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) data.set(colour(x, y), (y * width + x) * 3);
  }
  return sharp(data, { raw: { width, height, channels: 3 } });
}
