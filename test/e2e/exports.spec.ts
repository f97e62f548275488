import { readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import sharp from 'sharp';
import { generateDemoData } from '../../scripts/demo/generate-demo-data.js';
import { decodeImage } from '../../src/image/decode-image.js';
import type { EvaluationReport } from '../../src/pipeline/evaluate-model.js';
import type { ExportReport } from '../../src/pipeline/export-run.js';
import { openPredictor } from '../../src/predict/predictor.js';
import { openSession } from '../../src/runtime/open-session.js';
import { madeUpFeatures, writeFeatureFile } from '../train/made-up-features.js';
import { temporaryFolder } from './graft.js';
import { graftHere, graftJsonHere } from './graft-here.js';

describe('exporting in other forms', function () {
  this.timeout(120_000);
  const folder = temporaryFolder();
  const at = (name: string): string => path.join(folder, name);
  const run = at('run');
  const env = { GRAFT_CACHE: at('cache') };
  const exporting = (name: string, ...flags: string[]): Promise<ExportReport> =>
    graftJsonHere<ExportReport>(['export', '--run', run, '--out', at(name), ...flags], env);
  const accuracy = async (name: string): Promise<number> => {
    const report = await graftJsonHere<EvaluationReport>(
      ['eval', '--model', at(name), '--data', at('photos')],
      env,
    );
    return (report as EvaluationReport & { readonly accuracy: number }).accuracy;
  };
  let plain: ExportReport;

  before(async () => {
    await generateDemoData({ folder: at('photos'), seed: 3, perClass: 6 });
    const train = [
      'train',
      '--backbone',
      'scattering',
      '--data',
      at('photos'),
      '--out',
      run,
      '--device',
      'cpu',
    ];
    expect((await graftHere(train, env)).status).to.equal(0);
    plain = await exporting('plain.onnx');
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('halves the file in float16, whose answers are those of float32 and whose inputs and outputs are as before', async () => {
    const half = await exporting('half.onnx', '--precision', 'float16');
    expect(half.bytes).to.be.below(0.7 * plain.bytes);
    expect(half).to.deep.include({ inputs: plain.inputs, outputs: plain.outputs, precision: 'float16' });
    const [cpu] = half.verified.providers;
    expect(cpu!.agreement).to.equal(1);
    expect(cpu!.meanAbsDiff).to.be.within(1e-7, 0.01);
    expect(await accuracy('half.onnx')).to.equal(await accuracy('plain.onnx'));
    const again = await graftHere(['verify', '--model', at('half.onnx'), '--run', run], env);
    expect(again.status, again.stderr).to.equal(0);
  });

  it('takes photos as they are decoded, whatever their size, with --pixels', async () => {
    const raw = await exporting('pixels.onnx', '--pixels');
    expect(raw.inputs).to.deep.equal([
      { name: 'pixels', dtype: 'uint8', shape: ['batch', 'height', 'width', 3] },
    ]);
    const [label] = plain.labels as [string];
    const [name] = readdirSync(at(`photos/${label}`)) as [string];
    const photo = await sharp(at(`photos/${label}/${name}`))
      .resize(151, 90, { fit: 'fill' })
      .png()
      .toBuffer();
    const predictor = await openPredictor(at('plain.onnx'));
    const expected = await predictor.predict([photo]);
    await predictor.release();
    const { height, width, data } = await decodeImage(photo);
    const session = await openSession(at('pixels.onnx'));
    const { probabilities } = await session.run({
      pixels: { dtype: 'uint8', dims: [1, height, width, 3], data },
    });
    await session.release();
    expect(probabilities!.dims).to.deep.equal([1, expected.length]);
    for (const [i, value] of expected.entries()) expect(probabilities!.data[i]).to.be.closeTo(value, 0.02);
    // Graft itself prepares pixels in its own way, for such a file too.
    expect(await accuracy('pixels.onnx')).to.equal(await accuracy('plain.onnx'));
    const again = await graftHere(['verify', '--model', at('pixels.onnx'), '--run', run], env);
    expect(again.status, again.stderr).to.equal(0);
  });

  it('puts the weights into a file beside the model with --external-data, from which it is read again', async () => {
    await exporting('beside.onnx', '--external-data');
    const [model, weights] = ['beside.onnx', 'beside.onnx_data'].map((name) => statSync(at(name)).size);
    expect(model).to.be.below(0.3 * plain.bytes);
    expect(model! + weights!).to.be.above(0.95 * plain.bytes);
    expect(await accuracy('beside.onnx')).to.equal(await accuracy('plain.onnx'));
  });

  it('refuses them for a head alone, and pixels for texts, with nothing written', async () => {
    writeFeatureFile(at('few.safetensors'), madeUpFeatures({ rows: 60, dim: 6, classCount: 3 }));
    const alone = ['train', '--features', at('few.safetensors'), '--out', at('alone')];
    expect((await graftHere(alone, env)).status).to.equal(0);
    for (const flags of [['--precision', 'float16'], ['--pixels']]) {
      const refused = await graftHere(
        ['export', '--run', at('alone'), '--out', at('no.onnx'), ...flags],
        env,
      );
      expect(refused.status).to.equal(2);
      expect(refused.stderr).to.match(/head alone .* leave --precision and --pixels out/);
    }
    writeFileSync(
      at('texts.csv'),
      `text,label\n${Array.from({ length: 20 }, (_, i) => `word ${i},${'ab'[i % 2]}`).join('\n')}`,
    );
    const texts = ['train', '--backbone', 'hashed-ngrams', '--data', at('texts.csv'), '--out', at('texts')];
    expect((await graftHere(texts, env)).status).to.equal(0);
    const refused = await graftHere(
      ['export', '--run', at('texts'), '--out', at('no.onnx'), '--pixels'],
      env,
    );
    expect(refused.status).to.equal(2);
    expect(refused.stderr).to.match(/trained on texts; --pixels is for images/);
    expect(readdirSync(folder)).to.not.include('no.onnx');
  });
});
