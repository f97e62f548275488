import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import { decodeModel, readModel } from '../../src/onnx/read-model.js';
import { writeModel } from '../../src/onnx/write-model.js';
import { cacheFeatures } from '../../src/pipeline/cache-features.js';
import { spareWeights } from '../../src/pipeline/spare-inputs.js';
import { temporaryFolder } from '../e2e/graft.js';
import { drawImages, preprocess, tinyBackbone } from '../features/tiny-backbone.js';

describe('A backbone with its weights in a side file', () => {
  const folder = temporaryFolder();
  const backbone = path.join(folder, 'tiny.onnx');
  const side = `${backbone}_data`;
  const data = path.join(folder, 'data');
  const options = { backbone, data, cache: path.join(folder, 'cache'), device: 'cpu', threads: 1 } as const;

  before(async () => {
    const model = decodeModel(tinyBackbone(), { path: backbone });
    await writeModel(model, backbone, { externalData: { minimumBytes: 1 } });
    writeFileSync(`${backbone}.preprocess.json`, JSON.stringify(preprocess));
    await drawImages(path.join(data, 'a'), 2, 1);
    await drawImages(path.join(data, 'b'), 1, 2);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('is another backbone with other weights there, though its own file is the same', async () => {
    const computed = async () => (await cacheFeatures(options)).report.computed;
    expect(await computed()).to.equal(3);
    expect(await computed()).to.equal(0);
    const weights = readFileSync(side);
    for (let at = 3; at < weights.length; at += 4) weights[at]! ^= 0x80; // the sign of each float32
    writeFileSync(side, weights);
    expect(await computed()).to.equal(3);
  });

  it('is not written over by a model that is too large for one file, whose side file has the same name', async () => {
    const model = await readModel(backbone);
    const error = await spareWeights(backbone, model, { most: 1 }).catch((reason: unknown) => reason);
    expect(error).to.have.property('code', 'USAGE');
    expect(error).to.have.property('message').that.contains(`would overwrite ${side}, which is read`);
    await spareWeights(backbone, model);
    await spareWeights(path.join(folder, 'other.onnx'), model, { most: 1 });
  });
});
