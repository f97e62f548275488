import { readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import { GraftError } from '../../src/errors.js';
import { runAll } from '../../src/pipeline/run-all.js';
import { openPredictor } from '../../src/predict/predictor.js';
import { temporaryFolder } from '../e2e/graft.js';
import { drawImages } from '../features/tiny-backbone.js';

describe('A predictor', () => {
  const folder = temporaryFolder();
  after(() => rmSync(folder, { recursive: true }));

  let model: string;
  let photos: readonly string[];

  before(async () => {
    const data = path.join(folder, 'data');
    const drawn = await Promise.all(
      ['a', 'b'].map((label, i) => drawImages(path.join(data, label), 6, i + 1)),
    );
    photos = drawn.flat().map((file) => file.path);
    const out = path.join(folder, 'run');
    ({ model } = await runAll({ backbone: 'scattering', data, out, cache: folder, device: 'cpu' }));
  });

  it('answers calls that overlap as it answers them one by one', async () => {
    const predictor = await openPredictor(model);
    try {
      const bytes = photos.map((file) => readFileSync(file));
      const alone: Float32Array[] = [];
      for (const photo of bytes) alone.push(await predictor.predict([photo]));
      const together = await Promise.all(bytes.map((photo) => predictor.predict([photo])));
      expect(together.map((scores) => [...scores])).to.deep.equal(alone.map((scores) => [...scores]));
      expect(new Set(alone.map(String)).size, 'they differ').to.equal(bytes.length);
    } finally {
      await predictor.release();
    }
  });

  it('refuses what is no list of bytes or texts, before it begins', async () => {
    const predictor = await openPredictor(model);
    const photo = readFileSync(photos[0]!);
    const refused: readonly [given: unknown, message: RegExp][] = [
      [
        photo,
        /a list, with the bytes of an image \(Uint8Array\) for each example, for examples but received Buffer\(\d+\)/,
      ],
      [undefined, /a list, .* received undefined/],
      [[photo, photos[0]], /the bytes of an image \(Uint8Array\) for examples\[1\] but received ".*\.png"/],
      [[new Uint8Array(photo).buffer], /for examples\[0\] but received ArrayBuffer\(\d+\)/],
    ];
    try {
      for (const [given, message] of refused) {
        const failure: unknown = await predictor
          .predict(given as Uint8Array[])
          .catch((error: unknown) => error);
        expect(failure).to.be.instanceOf(GraftError).with.property('message').that.matches(message);
        expect(failure).to.have.property('code', 'INVALID_ARGUMENT');
      }
    } finally {
      await predictor.release();
    }
  });
});
