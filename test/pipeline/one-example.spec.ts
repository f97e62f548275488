import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { cutModel } from '../../src/graph/cut-model.js';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import type { Model } from '../../src/onnx/ir.js';
import { encodeModel } from '../../src/onnx/write-model.js';
import { analyseModel } from '../../src/pipeline/analyse-model.js';
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
