import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { expect } from 'chai';
import sharp from 'sharp';
import { difference, type PixelSpec, readLevels } from './read-pixels.js';

interface PillowCase {
  readonly name: string;
  readonly image: string;
  readonly spec: PixelSpec;
}

const folder = path.resolve('test/image/fixtures/pillow');
const { cases } = JSON.parse(await readFile(path.join(folder, 'cases.json'), 'utf8')) as {
  cases: readonly PillowCase[];
};

describe('Preprocessed pixels against Pillow', () => {
  for (const { name, image, spec } of cases) {
    // What is decoded without loss leaves the resize alone to differ; laying it on white rounds in its own way.
    const isExact = image.endsWith('.png') && image !== 'transparent.png';
    it(`are ${isExact ? 'equal' : 'within a level on average, 8 at most,'} for ${name}`, async () => {
      const levels = await readLevels(await readFile(path.join(folder, image)), spec);
      const expected = await sharp(path.join(folder, `${name}.expected.png`))
        .toColourspace(spec.channelOrder === 'gray' ? 'b-w' : 'srgb')
        .raw()
        .toBuffer();
      const { mean, max } = difference(levels, expected);
      expect(mean, 'mean difference').to.be.at.most(isExact ? 0 : 1);
      expect(max, 'largest difference').to.be.at.most(isExact ? 0 : 8);
    });
  }
});
