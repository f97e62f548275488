/** Configurations of Hugging Face's image processors, against what those processors give themselves. */
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { preprocessImage } from '../../src/image/preprocess-image.js';
import { pixelShape } from '../../src/models/pixel-shape.js';
import { parsePreprocess } from '../../src/models/read-preprocess.js';

interface ProcessorCase {
  readonly name: string;
  readonly config: unknown;
  readonly shape: readonly number[];
  readonly everyThird: string;
}

const fixture = JSON.parse(readFileSync('test/models/fixtures/processors.json', 'utf8')) as {
  readonly image: string;
  readonly cases: readonly ProcessorCase[];
};
const image = readFileSync(fixture.image);

describe('preprocessor_config.json', () => {
  for (const { name, config, shape, everyThird } of fixture.cases) {
    it(`of ${name} gives what its processor gives`, async () => {
      const spec = parsePreprocess(config, 'preprocessor_config.json');
      const { channels, height, width } = pixelShape(spec);
      expect([channels, height, width]).to.deep.equal(shape);
      const pixels = new Float32Array(channels * height * width);
      await preprocessImage(image, spec, pixels);
      const expected = new Float32Array(new Uint8Array(Buffer.from(everyThird, 'base64')).buffer);
      expect(expected).to.have.length(Math.ceil(pixels.length / 3));
      for (const [i, value] of expected.entries()) {
        expect(pixels[i * 3], `value ${i * 3}`).to.be.closeTo(value, 1e-5 * Math.max(1, Math.abs(value)));
      }
    });
  }
});
