import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { cutModel } from '../../src/graph/cut-model.js';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import type { Model } from '../../src/onnx/ir.js';
import { encodeModel } from '../../src/onnx/write-model.js';
import { analyseModel } from '../../src/pipeline/analyse-model.js';
import { readMetadata, writeMetadata } from '../../src/models/model-metadata.js';
import { takesOne } from '../../src/models/input-spec.js';
import { prepareTail } from '../../src/pipeline/prepare-tail.js';
import { prepareBackbone } from '../../src/pipeline/prepare-backbone.js';
import { largestDifference, randomTensor, runModel } from '../graph/run-model.js';

/** Traced with four examples; `mixes`: the mean over them is taken away, as a normalisation in training mode would. */
function traced(mixes: boolean): Model {
  const b = new GraphBuilder();
  const x = b.input('x', 'float32', [4, 3, 4, 4]);
  const maps = b.op('Relu', [b.op('Conv', [x, b.constant('w', randomTensor([8, 3, 1, 1], 5))])]);
  const rows = b.op('Reshape', [maps, b.ints([4, 128])]);
  const centred = mixes
    ? b.op('Sub', [rows, b.op('ReduceMean', [rows], { attributes: { axes: [0], keepdims: 1 } })])
    : rows;
  const features = b.op('Tanh', [centred], { name: 'features' });
  b.output(b.op('MatMul', [features, b.constant('v', randomTensor([128, 5], 6))]), 'float32', [4, 5], 'y');
  return b.model();
}

describe('A backbone that takes four examples at once', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'graft-one-'));
  after(() => rmSync(folder, { recursive: true }));
  const prepare = (model: Model) => {
    const backbone = path.join(folder, 'traced.onnx');
    writeFileSync(backbone, encodeModel(model));
    return prepareBackbone({ backbone, layer: 'features' }, { folder });
  };

  it('gives the features of any number of them, and its layers are listed', async () => {
    const model = traced(false);
    const { features, outputName } = await prepare(model);
    const x = randomTensor([4, 3, 4, 4], 1);
    const expected = await runModel(cutModel(model, ['features']), { x });
    const found = await runModel(features, { x });
    expect(largestDifference(found[outputName]!, expected.features!)).to.be.at.most(1e-6);
    const nine = await runModel(features, { x: randomTensor([9, 3, 4, 4], 2) });
    expect(nine[outputName]!.dims).to.deep.equal([9, 128]);
    const { layers } = await analyseModel(model);
    expect(layers.map(({ name }) => name)).to.include('features');
  });

  it('is refused where they have an influence on one another, which would be lost without a word', async () => {
    const error = await prepare(traced(true)).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).to.be.an('error').with.property('code', 'UNSUPPORTED_MODEL');
    expect((error as Error).message).to.match(
      /fixed number of examples.*features has other values .* in a batch/,
    );
  });
});

describe('A layer whose first axis counts something else than examples', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'graft-steps-'));
  after(() => rmSync(folder, { recursive: true }));

  it('is refused by its name and shape, before an image is read', async () => {
    const b = new GraphBuilder();
    const x = b.input('x', 'float32', ['batch', 3, 4, 6]);
    const maps = b.op('Conv', [x, b.constant('w', randomTensor([8, 3, 4, 1], 5))]);
    const steps = b.op('Transpose', [maps], { name: 'steps', attributes: { perm: [3, 0, 1, 2] } });
    b.output(steps, 'float32', undefined, 'y');
    const backbone = path.join(folder, 'steps.onnx');
    writeFileSync(backbone, encodeModel(b.model()));
    const refused = await prepareBackbone({ backbone, layer: 'steps' }, { folder }).catch(
      (error: unknown) => error,
    );
    expect(String(refused)).to.match(/Layer "steps" of .* \[6,1,8,1\] for one image: .*graft inspect/);
  });
});

/** Takes its list of images apart, as torchvision's detectors do: there is one in the list. */
function unbinding(): Model {
  const b = new GraphBuilder();
  const list = b.input('x', 'float32', [1, 3, 8, 8]);
  const [own] = b.ops('Split', [list, b.ints([1])], 1, { attributes: { axis: 0 } });
  const image = b.op('Sub', [b.op('Squeeze', [own!, b.ints([0])]), b.constant('mean', randomTensor([3, 1, 1], 3))]);
  const batch = b.op('Unsqueeze', [image, b.ints([0])]);
  const maps = b.op('Relu', [b.op('Conv', [batch, b.constant('w', randomTensor([8, 3, 3, 3], 5))])]);
  const features = b.op('Flatten', [b.op('GlobalAveragePool', [maps])], { name: 'features' });
  b.output(b.op('MatMul', [features, b.constant('v', randomTensor([8, 5], 6))]), 'float32', [1, 5], 'y');
  return b.model();
} // prettier-ignore

describe('A backbone that takes its list of images apart', () => {
  it('is given one image a run, by the exported file too, and cannot be trained itself', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'graft-one-'));
    try {
      const file = path.join(folder, 'apart.onnx');
      writeFileSync(file, encodeModel(unbinding()));
      const said: string[] = [];
      const logger = { info: () => {}, warn: (message: string) => void said.push(message) };
      const backbone = await prepareBackbone({ backbone: file }, { folder, logger });
      expect(takesOne(backbone.input)).to.equal(true);
      expect(said.join('\n')).to.include('takes one image a run');
      const x = randomTensor([1, 3, 8, 8], 1);
      const found = await runModel(backbone.features, { x });
      const expected = await runModel(cutModel(unbinding(), ['features']), { x });
      expect(largestDifference(found[backbone.outputName]!, expected.features!)).to.be.at.most(1e-6);
      const metadata = writeMetadata({
        labels: ['a', 'b'],
        task: 'single',
        input: backbone.input,
        layer: 'features',
        pool: 'none',
        backboneSha256: '',
      });
      expect(takesOne(readMetadata({ ...backbone.features, metadata }, 'm.onnx').input)).to.equal(true);
      const error = await prepareTail(backbone, 'GlobalAveragePool').then(
        () => undefined,
        (thrown: Error) => thrown.message,
      );
      expect(error).to.include('takes one image a run, so its layers cannot be trained');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
