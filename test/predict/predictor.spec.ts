import { readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import { runAll } from '../../src/pipeline/run-all.js';
import { openPredictor } from '../../src/predict/predictor.js';
import { temporaryFolder } from '../e2e/graft.js';
import { drawImages } from '../features/tiny-backbone.js';

describe('A predictor', () => {
  const folder = temporaryFolder();
  after(() => rmSync(folder, { recursive: true }));

  it('answers calls that overlap as it answers them one by one', async () => {
    const data = path.join(folder, 'data');
    const drawn = await Promise.all(
      ['a', 'b'].map((label, i) => drawImages(path.join(data, label), 6, i + 1)),
    );
    const out = path.join(folder, 'run');
    const { model } = await runAll({ backbone: 'scattering', data, out, cache: folder, device: 'cpu' });
    const predictor = await openPredictor(model);
    try {
      const photos = drawn.flat().map((file) => readFileSync(file.path));
      const alone: Float32Array[] = [];
      for (const photo of photos) alone.push(await predictor.predict([photo]));
      const together = await Promise.all(photos.map((photo) => predictor.predict([photo])));
      expect(together.map((scores) => [...scores])).to.deep.equal(alone.map((scores) => [...scores]));
      expect(new Set(alone.map(String)).size, 'they differ').to.equal(photos.length);
    } finally {
      await predictor.release();
    }
  });
});
