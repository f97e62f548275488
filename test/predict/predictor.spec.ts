import { readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect } from 'chai';
import { GraftError } from '../../src/errors.js';
import { readModel } from '../../src/onnx/read-model.js';
import { writeModel } from '../../src/onnx/write-model.js';
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

  it('answers the calls that are going on before it is released, and says later ones what is wrong', async () => {
    const predictor = await openPredictor(model);
    const call = predictor.predict([readFileSync(photos[0]!)]);
    const released = predictor.release();
    expect(await call).to.have.length(2);
    await released;
    const failure: unknown = await predictor.predict([]).catch((error: unknown) => error);
    expect(failure).to.be.instanceOf(GraftError).with.property('code', 'USAGE');
    await predictor.release();
  });

  it('refuses a file whose outputs are not those of its labels, before it runs', async () => {
    const exported = await readModel(model);
    const refused: readonly [entries: Record<string, string>, message: RegExp][] = [
      [
        { 'graft.labels': '["a","b","c"]' },
        /to give probabilities \[batch,3\], .* but its probabilities are \[batch,2\]/,
      ],
      [
        { 'graft.task': 'regression' },
        /to give values \[batch,2\], .* but its outputs are logits, probabilities/,
      ],
      [{ 'graft.labels': '["a","a"]' }, /to be names of their own but "a" is there twice/],
      [{ 'graft.labels': '[]' }, /to be names of their own but there are none/],
    ];
    const file = path.join(folder, 'other.onnx');
    for (const [entries, message] of refused) {
      const metadata = new Map([...exported.metadata, ...Object.entries(entries)]);
      await writeModel({ ...exported, metadata }, file);
      const failure: unknown = await openPredictor(file).catch((error: unknown) => error);
      expect(failure).to.be.instanceOf(GraftError).with.property('message').that.matches(message);
      expect(failure).to.have.property('code', 'INVALID_MODEL');
    }
  });

  it('takes no device and no number of threads that is none, and a path alone', async () => {
    const wrong: readonly [given: unknown, message: RegExp][] = [
      [{ device: 'gpu' }, /auto, cpu, cuda, webgpu, coreml, dml for device but received "gpu"/],
      [{ threads: -1 }, /a whole number above 0 for threads but received -1/],
      [{ threads: '2' }, /a whole number above 0 for threads but received "2"/],
    ];
    const fault = (opened: Promise<unknown>): Promise<unknown> => opened.catch((error: unknown) => error);
    for (const [options, message] of wrong) {
      expect(await fault(openPredictor(model, options as object)))
        .to.be.instanceOf(GraftError)
        .with.property('message')
        .that.matches(message);
    }
    const address = pathToFileURL(model) as unknown as string;
    expect(await fault(openPredictor(address))).to.have.property('code', 'INVALID_ARGUMENT');
  });
});
