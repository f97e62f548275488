import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { GraftError } from '../../src/errors.js';
import { modelInFolder } from '../../src/models/model-in-folder.js';
import { resolveBackbone } from '../../src/models/resolve-backbone.js';
import { inspectModel } from '../../src/pipeline/inspect-model.js';
import { tinyBackbone } from '../features/tiny-backbone.js';

describe('A folder that is named in place of a model', () => {
  const root = mkdtempSync(path.join(tmpdir(), 'graft-folder-'));
  after(() => {
    rmSync(root, { recursive: true });
  });
  const folderOf = (name: string, files: readonly string[]): string => {
    const folder = path.join(root, name);
    for (const file of files) {
      mkdirSync(path.dirname(path.join(folder, file)), { recursive: true });
      writeFileSync(path.join(folder, file), tinyBackbone());
    }
    return folder;
  };

  it('has its model where transformers.js and Optimum look for it, beside variants in fewer bits', async () => {
    const folder = folderOf('hub', ['onnx/model.onnx', 'onnx/model_quantized.onnx', 'config.json']);
    const model = path.join(folder, 'onnx', 'model.onnx');
    expect(await resolveBackbone(folder, { folder: root })).to.equal(model);
    const { featureLayers } = await inspectModel(folder);
    expect(featureLayers).to.deep.equal((await inspectModel(model)).featureLayers);
  });

  it('has the only model of it taken, whatever its name, and no file that a copy left', async () => {
    const folder = folderOf('one', ['backbone.ONNX', '._backbone.onnx', 'labels.txt']);
    expect(await modelInFolder(folder)).to.equal(path.join(folder, 'backbone.ONNX'));
  });

  it('is refused where it holds several models, naming them', async () => {
    const folder = folderOf('several', ['b.onnx', 'onnx/a.onnx']);
    expect(await refusal(folder)).to.match(/several models; .*: b\.onnx, onnx\/a\.onnx\.$/);
  });

  it('is refused where it holds none', async () => {
    const folder = folderOf('none', ['model.safetensors']);
    expect(await refusal(folder)).to.match(/holds no \.onnx file/);
  });

  it('leaves a path that is none as it is', async () => {
    expect(await modelInFolder('absent.onnx')).to.equal('absent.onnx');
  });
});

async function refusal(folder: string): Promise<string> {
  const error = await modelInFolder(folder).catch((thrown: unknown) => thrown);
  expect(error).to.be.instanceOf(GraftError).and.include({ code: 'FILE_NOT_FOUND' });
  return (error as GraftError).message;
}
