import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import sharp from 'sharp';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import { writeModel } from '../../src/onnx/write-model.js';
import { predictInputs } from '../../src/pipeline/predict-inputs.js';
import { runAll } from '../../src/pipeline/run-all.js';
import { createRng } from '../../src/rng.js';
import { float32 } from '../../src/tensor/tensor.js';
import { temporaryFolder } from '../e2e/graft.js';
import { makeReviews, toCsv, writeTextBackbone } from '../text/text-world.js';

describe('a run on a backbone whose numbers differ by runtime or by batch', function () {
  this.timeout(20_000);
  const folder = temporaryFolder();
  const photos = path.join(folder, 'data');
  const warnings: string[] = [];
  const logger = { info() {}, warn: (text: string) => void warnings.push(text) };
  const run = (backbone: string, data = photos) =>
    runAll(
      {
        backbone,
        data,
        out: path.join(folder, path.basename(path.dirname(backbone)), path.parse(backbone).name),
        cache: folder,
        device: 'cpu',
      },
      { logger },
    );

  before(async () => {
    for (const [label, r] of [
      ['red', 200],
      ['green', 60],
    ] as const) {
      mkdirSync(path.join(photos, label), { recursive: true });
      for (let i = 0; i < 6; i++) {
        const background = { r: r + 9 * i, g: 230 - r, b: 40 * i };
        await sharp({ create: { width: 16, height: 16, channels: 3, background } })
          .png()
          .toFile(path.join(photos, label, `${i}.png`));
      }
    }
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('gives each example the same scores alone and among others where the model quantises as it runs', async () => {
    const { model, verified } = await run(path.resolve('test/fixtures/backbones/resnet-int8-dynamic.onnx'));
    expect(verified.providers.map(({ name }) => name)).to.include.members(['cpu', 'wasm']);
    expect(verified.maxAbsDiff).to.be.at.most(1e-4);
    const scores = async (...inputs: string[]) =>
      (await predictInputs({ model, inputs, device: 'cpu' })).map(({ scores: of }) => of);
    const bright = path.join(photos, 'red', '5.png');
    const [alone] = await scores(bright);
    const [, among] = await scores(path.join(photos, 'green', '0.png'), bright);
    expect(among).to.deep.equal(alone);
  });

  it('gives each text the same scores alone and among others where its mask was quantised by texts alone', async () => {
    const backbone = writeTextBackbone(path.join(folder, 'quantised-mask'), { quantisesMask: true });
    const texts = path.join(folder, 'reviews.csv');
    writeFileSync(texts, toCsv(makeReviews(60)));
    const { model, verified } = await run(backbone, texts);
    expect(verified.providers.map(({ name }) => name)).to.include.members(['cpu', 'wasm']);
    const scores = async (...inputs: string[]) =>
      (await predictInputs({ model, inputs, device: 'cpu' })).map(({ scores: of }) => of);
    const long = 'this film was not very good and it was not very bad';
    const [alone] = await scores('a film');
    const [, among] = await scores(long, 'a film');
    expect(among).to.deep.equal(alone);
  });

  it('says that the browser was left out where it lacks an operator, and exports', async () => {
    warnings.length = 0;
    const { verified } = await run(await blockedBackbone(path.join(folder, 'blocked.onnx')));
    expect(verified.providers.map(({ name }) => name)).to.deep.equal(['cpu']);
    expect(verified.unable).to.have.length(1);
    expect(verified.unable[0]).to.include({ name: 'wasm' });
    expect(warnings.join('\n')).to.match(/Not verified on wasm.*nchwc/);
  });
});

/** With the operators that onnxruntime puts into a model which it saves optimised for one processor. */
async function blockedBackbone(file: string): Promise<string> {
  const b = new GraphBuilder({ opset: 17 });
  const rng = createRng(2);
  const weight = (name: string, dims: readonly number[]) =>
    b.constant(
      name,
      float32(
        dims,
        Array.from({ length: dims.reduce((x, y) => x * y) }, () => rng.normal()),
      ),
    );
  const x = b.input('x', 'float32', ['batch', 3, 16, 16]);
  const maps = b.op('Relu', [b.op('Conv', [x, weight('w', [16, 3, 3, 3])])]);
  const domain = 'com.microsoft.nchwc';
  const blocked = b.op('ReorderInput', [maps], { domain });
  const plain = b.op('ReorderOutput', [blocked], { domain, attributes: { channels: 16 } });
  const vector = b.op('Flatten', [b.op('GlobalAveragePool', [plain])]);
  b.output(b.op('MatMul', [vector, weight('old', [16, 5])]), 'float32', ['batch', 5]);
  const opsets = new Map([
    ['', 17],
    [domain, 1],
  ]);
  await writeModel(b.model({ opsets }), file);
  return file;
}
