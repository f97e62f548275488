import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import * as operations from '../../src/image/color-operations.js';
import { warp } from '../../src/image/random-augment.js';

interface Fixture {
  readonly width: number;
  readonly height: number;
  /** Interleaved, in base64, as all results of Pillow's. */
  readonly pixels: string;
  readonly results: Readonly<Record<string, string>>;
}

const fixture = JSON.parse(readFileSync(path.resolve('test/image/fixtures/augment.json'), 'utf8')) as Fixture;
const { width, height } = fixture;
const size = width * height;

const planes = (pixels: string): Float32Array => {
  const bytes = Buffer.from(pixels, 'base64');
  return Float32Array.from({ length: 3 * size }, (_, i) => bytes[(i % size) * 3 + Math.floor(i / size)]!);
};
const picture = (): operations.Picture => ({ channels: 3, width, height, levels: planes(fixture.pixels) });

describe('Operations on colours', () => {
  for (const [call, expected] of Object.entries(fixture.results)) {
    const [name = '', argument] = call.split(' ');
    // Blends are rounded by Pillow and not here.
    const tolerance = name.startsWith('adjust') || name === 'stretchContrast' ? 1 : 0;
    it(`agree with Pillow within ${tolerance} for ${call}`, () => {
      const changed = picture();
      const operation = operations[name as keyof typeof operations];
      operation(changed, Number(argument));
      const wanted = planes(expected);
      let worst = 0;
      for (const [i, level] of changed.levels.entries())
        worst = Math.max(worst, Math.abs(level - wanted[i]!));
      expect(worst).to.be.at.most(tolerance);
      if (argument !== '256') expect(changed.levels).not.to.deep.equal(picture().levels);
    });
  }

  it('turn hues in a circle and leave greys and lightness alone', () => {
    const grey = { ...picture(), levels: new Float32Array(3 * size).fill(77) };
    operations.rotateHue(grey, 0.3);
    for (const level of grey.levels) expect(level).to.be.closeTo(77, 0.1);
    const red = { channels: 3, width: 1, height: 1, levels: Float32Array.of(150, 100, 100) };
    operations.rotateHue(red, 1 / 3);
    const [r, g, b] = red.levels;
    expect(0.299 * r! + 0.587 * g! + 0.114 * b!).to.be.closeTo(115, 0.2);
    expect(r).to.be.lessThan(Math.max(g!, b!));
    operations.rotateHue(red, 2 / 3);
    for (const [i, level] of [150, 100, 100].entries()) expect(red.levels[i]).to.be.closeTo(level, 0.5);
  });

  it('leave a picture of one channel without hue and saturation', () => {
    const single = { channels: 1, width, height, levels: planes(fixture.pixels).slice(0, size) };
    const before = single.levels.slice();
    operations.adjustSaturation(single, 0.2);
    operations.rotateHue(single, 0.2);
    expect(single.levels).to.deep.equal(before);
  });
});

describe('Warping', () => {
  it('leaves a picture as it is by nothing, and moves it by whole pixels', () => {
    const same = picture();
    warp(same, [1, 0, 0, 1], 0, 0);
    expect(same.levels).to.deep.equal(picture().levels);
    const moved = picture();
    warp(moved, [1, 0, 0, 1], 2, -1);
    const { levels } = picture();
    expect(moved.levels[3 * width + 4]).to.equal(levels[2 * width + 6]);
    expect(moved.levels[0], 'from outside').to.equal(0);
  });

  it('turns a square by a quarter about its centre', () => {
    const levels = Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9);
    warp({ channels: 1, width: 3, height: 3, levels }, [0, 1, -1, 0], 0, 0);
    expect([...levels]).to.deep.equal([7, 4, 1, 8, 5, 2, 9, 6, 3]);
  });
});
