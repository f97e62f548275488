import { cpSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import sharp from 'sharp';
import { generateDemoData } from '../../scripts/demo/generate-demo-data.js';
import { decodeImage } from '../../src/image/decode-image.js';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import { readModel } from '../../src/onnx/read-model.js';
import { writeModel } from '../../src/onnx/write-model.js';
import type { EvaluationReport } from '../../src/pipeline/evaluate-model.js';
import { type ExportReport, exportRun } from '../../src/pipeline/export-run.js';
import type { Prediction } from '../../src/pipeline/describe-prediction.js';
import type { RunConfig } from '../../src/pipeline/run-folder.js';
import { openPredictor } from '../../src/predict/predictor.js';
import { openSession } from '../../src/runtime/open-session.js';
import { drawImages, preprocess, side, tinyBackbone } from '../features/tiny-backbone.js';
import { randomTensor } from '../graph/run-model.js';
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
  const configOf = (folderOfRun: string): RunConfig =>
    JSON.parse(readFileSync(path.join(at(folderOfRun), 'config.json'), 'utf8')) as RunConfig;
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
    writeFeatureFile(at('few.safetensors'), madeUpFeatures({ rows: 60, dim: 6, classCount: 3 }));
    const alone = ['train', '--features', at('few.safetensors'), '--out', at('alone')];
    expect((await graftHere(alone, env)).status).to.equal(0);
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

  it('calibrates int8 on training examples, and such a file is measured and verified as any other', async () => {
    writeFileSync(at('tiny.onnx'), tinyBackbone());
    writeFileSync(at('tiny.onnx.preprocess.json'), JSON.stringify(preprocess));
    const tiny = ['--backbone', at('tiny.onnx'), '--layer', 'features', '--pool', 'none', '--device', 'cpu'];
    const trained = await graftHere(['train', ...tiny, '--data', at('photos'), '--out', at('tiny')], env);
    expect(trained.status, trained.stderr).to.equal(0);
    const { calibrationExamples = [], verifyImages } = configOf('tiny');
    expect(calibrationExamples).to.have.length.above(20);
    expect(calibrationExamples.filter((example) => verifyImages.includes(example))).to.deep.equal([]);
    const flags = ['--run', at('tiny'), '--out'];
    const whole = await graftJsonHere<ExportReport>(['export', ...flags, at('tiny-32.onnx')], env);
    const small = await graftJsonHere<ExportReport>(
      ['export', ...flags, at('int8.onnx'), '--precision', 'int8'],
      env,
    );
    expect(small).to.deep.include({ inputs: whole.inputs, outputs: whole.outputs, precision: 'int8' });
    const conv = (await readModel(at('int8.onnx'))).graph.nodes.findIndex(({ opType }) => opType === 'Conv');
    expect(conv).to.be.above(2);
    expect(await accuracy('int8.onnx')).to.be.closeTo(await accuracy('tiny-32.onnx'), 0.1);
    const again = await graftHere(['verify', '--model', at('int8.onnx'), '--run', at('tiny')], env);
    expect(again.status, again.stderr).to.equal(0);
  });

  it('stops while int8 is calibrated, with nothing written', async () => {
    const out = at('stopped.onnx');
    const stopped = exportRun({ run: at('tiny'), out, precision: 'int8' }, { signal: AbortSignal.abort() });
    const message = await stopped.then(String, (error: Error) => error.message);
    expect(message).to.equal('The calibration was stopped; nothing was written.');
    expect(readdirSync(path.dirname(out)).filter((name) => name.includes('stopped'))).to.deep.equal([]);
  });

  it('runs int8-dynamic one example at a time, so that neighbours do not change what it predicts', async () => {
    const builder = new GraphBuilder();
    const image = builder.input('image', 'float32', ['batch', 3, side, side]);
    const flat = builder.op('Flatten', [image]);
    const weights = builder.constant('weights', randomTensor([3 * side * side, 6], 1));
    builder.output(builder.op('MatMul', [flat, weights]), 'float32', ['batch', 6], 'features');
    await writeModel(builder.model(), at('dense.onnx'));
    writeFileSync(at('dense.onnx.preprocess.json'), JSON.stringify(preprocess));
    for (const [i, label] of ['a', 'b'].entries()) await drawImages(at(`noise/${label}`), 8, i);
    const dense = at('dense');
    const training = ['train', '--backbone', at('dense.onnx'), '--layer', 'features', '--pool', 'none'];
    const trained = await graftHere(
      [...training, '--data', at('noise'), '--out', dense, '--device', 'cpu'],
      env,
    );
    expect(trained.status, trained.stderr).to.equal(0);
    const flags = ['--run', dense, '--out', at('dynamic.onnx'), '--precision', 'int8-dynamic'];
    const { verified } = await graftJsonHere<ExportReport>(['export', ...flags], env);
    expect(verified.providers[0]!.agreement).to.be.at.least(0.8);
    const predict = (...inputs: string[]): Promise<Prediction[]> =>
      graftJsonHere<Prediction[]>(['predict', '--model', at('dynamic.onnx'), ...inputs], env);
    const together = await predict(at('noise/a'));
    expect(together).to.have.length(8);
    for (const one of together.slice(0, 3)) expect(await predict(one.input)).to.deep.equal([one]);
  });

  it('says what int8 is calibrated on where the run does not, and refuses it where there is nothing', async () => {
    const old = at('old');
    cpSync(at('tiny'), old, { recursive: true });
    const config = configOf('old');
    const write = (changed: Partial<RunConfig>): void =>
      writeFileSync(path.join(old, 'config.json'), JSON.stringify({ ...config, ...changed }));
    const flags = ['export', '--run', old, '--out', at('old.onnx'), '--precision', 'int8'];
    write({ calibrationExamples: [] });
    const warned = await graftHere(flags, env);
    expect(warned.status, warned.stderr).to.equal(0);
    expect(warned.stderr).to.match(/calibrated on the \d+ examples that it is then verified on/);
    write({ calibrationExamples: ['gone.png'], verifyImages: ['gone.png'] });
    rmSync(at('old.onnx'));
    const refused = await graftHere(flags, env);
    expect(refused.status).to.be.above(0);
    expect(refused.stderr).to.match(
      /int8 needs some .* put the data set back .* or choose --precision int8-dynamic/,
    );
    const features = await graftHere(
      [
        'export',
        '--run',
        at('alone'),
        '--backbone',
        at('dense.onnx'),
        '--layer',
        'features',
        ...flags.slice(3),
      ],
      env,
    );
    expect(features.status).to.be.above(0);
    expect(features.stderr).to.match(/trained on features alone: choose --precision int8-dynamic/);
    expect(readdirSync(folder)).to.not.include('old.onnx');
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

  it('finds a file of another backbone, layer or set of labels to be of another run, though it may answer the same', async () => {
    const model = await readModel(at('half.onnx'));
    for (const key of ['graft.backbone_sha256', 'graft.layer', 'graft.labels']) {
      const metadata = new Map(model.metadata).set(key, '["other"]');
      await writeModel({ ...model, metadata }, at('other.onnx'));
      const { status, stderr } = await graftHere(['verify', '--model', at('other.onnx'), '--run', run], env);
      expect(status).to.equal(1);
      expect(stderr).to.include(`belongs to another run: its ${key} is ["other"], but that of`);
    }
  });

  it('puts the weights into a file beside the model with --external-data, from which it is read again', async () => {
    await exporting('beside.onnx', '--external-data');
    const [model, weights] = ['beside.onnx', 'beside.onnx_data'].map((name) => statSync(at(name)).size);
    expect(model).to.be.below(0.3 * plain.bytes);
    expect(model! + weights!).to.be.above(0.95 * plain.bytes);
    expect(await accuracy('beside.onnx')).to.equal(await accuracy('plain.onnx'));
  });

  it('refuses them for a head alone, and pixels for texts, with nothing written', async () => {
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
