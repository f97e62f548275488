import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import { encodeModel } from '../../src/onnx/write-model.js';
import { type Backbone, prepareBackbone } from '../../src/pipeline/prepare-backbone.js';
import { prepareTail } from '../../src/pipeline/prepare-tail.js';
import { createRng } from '../../src/rng.js';
import { openSession } from '../../src/runtime/open-session.js';
import { float32, type Tensor } from '../../src/tensor/tensor.js';
import { buildTailGraph } from '../../src/train/tail-step.js';
import { packTail } from '../../src/train/tail.js';
import { randomTensor } from '../graph/run-model.js';
import { preprocess, type Variant, writeSplitBackbone } from './split-backbone.js';

const images = float32(
  [3, 3, 32, 32],
  Float32Array.from(
    { length: 3 * 3 * 32 * 32 },
    (
      (rng) => () =>
        rng.normal()
    )(createRng(8)),
  ),
);

async function run(model: Parameters<typeof encodeModel>[0], x: Tensor): Promise<Tensor> {
  const session = await openSession(encodeModel(model), { threads: 1 });
  try {
    return Object.values(await session.run({ [session.inputNames[0]!]: x }))[0]!;
  } finally {
    await session.release();
  }
}

describe('cutting a backbone where training begins', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'graft-test-'));
  const prepare = (variant: Variant = {}): Promise<Backbone> =>
    prepareBackbone(
      { backbone: writeSplitBackbone(folder, variant), layer: 'last', pool: 'avg' },
      { folder: path.join(folder, 'backbones') },
    );
  after(() => rmSync(folder, { recursive: true, force: true }));

  for (const { layer, crossing, weights } of [
    { layer: 'stem', crossing: ['stem'], weights: 6 },
    { layer: 'branch', crossing: ['branch', 'half'], weights: 3 },
    { layer: 'shuffled', crossing: ['shuffled'], weights: 3 },
    { layer: 'inner', crossing: ['inner', 'shuffled'], weights: 2 },
    { layer: 'residual', crossing: ['residual'], weights: 2 },
  ]) {
    it(`after ${layer} caches ${crossing.join(' and ')}, and both parts together compute what the whole does`, async () => {
      const backbone = await prepare();
      const { frozen, tail } = await prepareTail(backbone, layer);
      expect(tail.crossing.map(({ name }) => name)).to.deep.equal(crossing);
      const whole = await run(backbone.features, images);
      const activations = await run(frozen.features, images);
      expect(activations.dims).to.deep.equal([3, frozen.dim]);
      const packed = packTail(tail);
      const parts = await run(packed.model, activations);
      expect(parts.dims).to.deep.equal(whole.dims);
      for (const [i, value] of (whole.data as Float32Array).entries()) {
        expect(parts.data[i]).to.be.closeTo(value, 1e-5);
      }
      const graph = await buildTailGraph(tail, { head: { kind: 'linear' }, task: 'single', outputCount: 5 });
      // The shift is read by the frozen stem too.
      expect(graph.weights.has('shift')).to.equal(false);
      expect(graph.weights.size).to.equal(weights);
    });
  }

  it('takes what a tail measures with the rest, where the batch is read off the image', async () => {
    const backbone = await prepare({ measures: true });
    const { frozen, tail } = await prepareTail(backbone, 'inner');
    const whole = await run(backbone.features, images);
    const parts = await run(packTail(tail).model, await run(frozen.features, images));
    expect(parts.dims).to.deep.equal(whole.dims);
    for (const [i, value] of whole.data.entries()) expect(parts.data[i]).to.be.closeTo(Number(value), 1e-5);
  });

  it('widens a float16 tail to float32, and the activations too', async () => {
    const backbone = await prepare({ isHalf: true });
    const { frozen, tail } = await prepareTail(backbone, 'inner');
    const whole = await run(backbone.features, images);
    const activations = await run(frozen.features, images);
    expect(activations.dtype).to.equal('float32');
    const packed = packTail(tail);
    const parts = await run(packed.model, activations);
    for (const [i, value] of (whole.data as Float32Array).entries()) {
      expect(parts.data[i]).to.be.closeTo(value, 4e-3 * Math.max(1, Math.abs(value)));
    }
    const { weights } = await buildTailGraph(tail, {
      head: { kind: 'linear' },
      task: 'single',
      outputCount: 5,
    });
    for (const [name, { dtype }] of weights) expect(dtype, name).to.equal('float32');
  });

  it('has the same weights where the file holds them as constants', async () => {
    const trained = async (variant: Variant) => {
      const { tail } = await prepareTail(await prepare(variant), 'inner');
      const graph = await buildTailGraph(tail, { head: { kind: 'linear' }, task: 'single', outputCount: 5 });
      return [...graph.weights];
    };
    const weights = await trained({});
    expect(weights.map(([name]) => name)).to.deep.equal(['last/kernel', 'last/norm/scale']);
    expect(await trained({ hasConstants: true })).to.deep.equal(weights);
  });

  it('trains the weights of a loop, whose rounds are written out', async () => {
    const backbone = await prepare({ measures: true, hasLoop: true });
    const { frozen, tail } = await prepareTail(backbone, 'inner');
    expect(tail.model.graph.nodes.some(({ opType }) => opType === 'Loop')).to.equal(false);
    const whole = await run(backbone.features, images);
    const parts = await run(packTail(tail).model, await run(frozen.features, images));
    for (const [i, value] of whole.data.entries()) expect(parts.data[i]).to.be.closeTo(Number(value), 1e-5);
    const { weights } = await buildTailGraph(tail, {
      head: { kind: 'linear' },
      task: 'single',
      outputCount: 5,
    });
    expect([...weights.keys()]).to.include('refined/factor');
  });

  it('refuses a layer of windows, whose first axis counts no examples, and says so', async () => {
    const b = new GraphBuilder();
    const image = b.input('image', 'float32', ['batch', 3, 32, 32]);
    const windows = b.op('Reshape', [image, b.ints([-1, 16])], { name: 'windows' });
    const mixed = b.op('MatMul', [windows, b.constant('mix', randomTensor([16, 4], 3))], { name: 'mixed' });
    const features = b.op('Reshape', [mixed, b.ints([-1, 768])], { name: 'whole' });
    b.output(b.op('Tanh', [features]), 'float32', ['batch', 768], 'features');
    const file = path.join(folder, 'windows.onnx');
    writeFileSync(file, encodeModel(b.model()));
    writeFileSync(path.join(folder, 'windows.preprocess.json'), JSON.stringify(preprocess));
    const backbone = await prepareBackbone({ backbone: file, layer: 'features' }, { folder });
    expect(await prepareTail(backbone, 'mixed').catch(String)).to.match(
      /"mixed" has no batch axis \(its first one counts windows.*unfreeze another layer/,
    );
  });

  it('refuses a layer after the feature layer, and one that does not exist, by name', async () => {
    const backbone = await prepare();
    for (const layer of ['scores', 'residul']) {
      const error = await prepareTail(backbone, layer).then(
        () => expect.fail('nothing was thrown'),
        (thrown: Error) => thrown,
      );
      expect(error.message).to.include(layer);
    }
  });
});
