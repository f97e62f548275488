/** Real photos, where the shared data is at hand: pixels against Pillow asked on the spot, features against Python's. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import { cutModel } from '../../src/graph/cut-model.js';
import { dropInitializerInputs } from '../../src/graph/drop-initializer-inputs.js';
import { poolFeatures } from '../../src/graph/pool-features.js';
import { preprocessImage } from '../../src/image/preprocess-image.js';
import { parsePreprocess } from '../../src/models/read-preprocess.js';
import { readModel } from '../../src/onnx/read-model.js';
import { encodeModel } from '../../src/onnx/write-model.js';
import { openSession } from '../../src/runtime/open-session.js';
import { float32 } from '../../src/tensor/tensor.js';
import { askPillow } from './ask-pillow.js';
import { difference, type PixelSpec, readLevels } from './read-pixels.js';

const shared = path.resolve('../shared');
const digits = path.join(shared, 'datasets/sign-digits');
const exif = path.join(shared, 'datasets/odd-images/exif');

const specs: readonly (readonly [string, PixelSpec])[] = [
  [
    'a plain bilinear resize to 416 x 416',
    {
      resize: { width: 416, height: 416, fit: 'fill', kernel: 'bilinear' },
      crop: null,
      channelOrder: 'rgb',
    },
  ],
  [
    'shortest edge 256, bicubic, centre crop 224',
    {
      resize: { width: 256, height: 256, fit: 'shortest-edge', kernel: 'bicubic' },
      crop: { width: 224, height: 224 },
      channelOrder: 'rgb',
    },
  ],
];

describe('Photos', () => {
  for (const [name, spec] of specs) {
    it(`agree with Pillow within a level on average, 8 at most, for ${name}`, function () {
      if (!existsSync(digits)) this.skip(); // no shared photos here
      const photos = [
        ...readdirSync(digits).map((digit) =>
          path.join(digits, digit, readdirSync(path.join(digits, digit))[0]!),
        ),
        path.join(digits, '7', 'IMG_5874.JPG'),
        path.join(exif, 'Landscape_1.jpg'),
        path.join(exif, 'Portrait_1.jpg'),
      ];
      const pixels = askPillow(photos.map((image) => ({ image, spec })));
      if (!pixels) this.skip(); // no Python with Pillow here
      return compare(photos, spec, pixels);
    });
  }

  async function compare(photos: readonly string[], spec: PixelSpec, pixels: Uint8Array): Promise<void> {
    const length = pixels.length / photos.length;
    for (const [i, photo] of photos.entries()) {
      const levels = await readLevels(readFileSync(photo), spec);
      const { mean, max } = difference(levels, pixels.subarray(i * length, (i + 1) * length));
      if (process.env.GRAFT_TEST_VERBOSE) console.log(path.basename(photo), mean.toFixed(4), max);
      expect(mean, `mean difference of ${photo}`).to.be.at.most(1);
      expect(max, `largest difference of ${photo}`).to.be.at.most(8);
    }
  }

  it('have NanoDet features of cosine 0.999 or more with those of Pillow and Python', async function () {
    const file = path.join(shared, 'models/nanodet_m.onnx');
    if (!existsSync(file)) this.skip(); // no shared model here
    const fixture = JSON.parse(readFileSync('test/image/fixtures/nanodet-features.json', 'utf8')) as {
      photos: readonly { path: string; sha256: string; features: string }[];
    };
    const cut = cutModel(dropInitializerInputs(await readModel(file)), ['690']);
    const pooled = poolFeatures(cut, '690', { pool: 'avg', shape: [1, 464, 13, 13] });
    const session = await openSession(encodeModel(pooled.model), { device: 'cpu' });
    const spec = parsePreprocess(
      JSON.parse(readFileSync(file.replace('.onnx', '.preprocess.json'), 'utf8')),
      file,
    );
    const input = new Float32Array(3 * 416 * 416);
    try {
      for (const photo of fixture.photos) {
        const bytes = readFileSync(path.join(shared, photo.path));
        expect(createHash('sha256').update(bytes).digest('hex'), photo.path).to.equal(photo.sha256);
        await preprocessImage(bytes, spec, input);
        const outputs = await session.run({ [session.inputNames[0]!]: float32([1, 3, 416, 416], input) });
        const features = outputs[pooled.output]!.data as Float32Array;
        const expected = new Float32Array(new Uint8Array(Buffer.from(photo.features, 'base64')).buffer);
        const similarity = cosine(features, expected);
        if (process.env.GRAFT_TEST_VERBOSE) console.log(photo.path, similarity);
        expect(similarity, photo.path).to.be.at.least(0.999);
      }
    } finally {
      await session.release();
    }
  });
});

function cosine(a: Float32Array, b: Float32Array): number {
  expect(a.length).to.equal(b.length);
  const dot = (x: Float32Array, y: Float32Array) => x.reduce((sum, value, i) => sum + value * y[i]!, 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}
