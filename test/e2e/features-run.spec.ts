import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import { openSession } from '../../src/runtime/open-session.js';
import { float32 } from '../../src/tensor/tensor.js';
import type { RunReport } from '../../src/pipeline/run-all.js';
import { decodeHead } from '../../src/heads/head-file.js';
import { scoreHead } from '../../src/train/score-head.js';
import type { ExportReport } from '../../src/pipeline/export-run.js';
import type { Verification } from '../../src/export/compare-on-providers.js';
import type { Prediction } from '../../src/pipeline/describe-prediction.js';
import { dim as tinyDim, drawImages, preprocess, tinyBackbone } from '../features/tiny-backbone.js';
import { madeUpFeatures, writeFeatureFile } from '../train/made-up-features.js';
import { temporaryFolder } from './graft.js';
import { graftHere, graftJsonHere } from './graft-here.js';

describe('a run on features made elsewhere', function () {
  this.timeout(120_000);
  const folder = temporaryFolder();
  const features = path.join(folder, 'features.safetensors');
  const run = path.join(folder, 'run');
  const set = madeUpFeatures({ rows: 400, dim: 10, classCount: 3 });
  const hostile = '<script>alert("a")</script>';
  let report: RunReport;

  before(async () => {
    writeFeatureFile(features, { ...set, classes: [hostile, 'b', 'c'] });
    const flags = ['--calibrate', '--tolerance', '1e-6'];
    report = await graftJsonHere<RunReport>(['run', '--features', features, '--out', run, ...flags]);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('exports the head alone, which gives what the trained head gives', async () => {
    expect(report.inputs).to.deep.equal([{ name: 'features', dtype: 'float32', shape: ['batch', 10] }]);
    expect(report.verified.maxAbsDiff).to.be.below(1e-5);
    expect(report.convergence).to.include({ reason: 'gradient', tolerance: 1e-6 });
    const head = decodeHead(readFileSync(path.join(run, 'head.safetensors')), 'the head');
    const { outputs } = await scoreHead(head, set);
    const session = await openSession(report.model);
    try {
      const found = await session.run({ features: float32([400, 10], set.features) });
      (found.probabilities!.data as Float32Array).forEach((value, i) =>
        expect(value).to.be.closeTo(outputs[i]!, 1e-5),
      );
    } finally {
      await session.release();
    }
  });

  it('is calibrated: the loss falls, no prediction changes, the logits stay', async () => {
    const { before: raw, after: scaled, temperature } = report.calibration!;
    expect(scaled.loss).to.be.at.most(raw.loss);
    const head = decodeHead(readFileSync(path.join(run, 'head.safetensors')), 'the head');
    expect(head.temperature).to.equal(temperature);
    const plain = { ...head, temperature: 1 };
    const [calibrated, uncalibrated] = [await scoreHead(head, set), await scoreHead(plain, set)];
    expect(calibrated.logits).to.deep.equal(uncalibrated.logits);
    const best = (p: Float32Array, row: number) =>
      [0, 1, 2].reduce((a, c) => (p[3 * row + c]! > p[3 * row + a]! ? c : a));
    for (let row = 0; row < 400; row++)
      expect(best(calibrated.outputs, row)).to.equal(best(uncalibrated.outputs, row));
    expect(calibrated.outputs).to.not.deep.equal(uncalibrated.outputs);
  });

  it('is measured by eval --features and labels rows by predict --features', async () => {
    const { examples, accuracy } = await graftJsonHere<{ examples: number; accuracy: number }>([
      'eval',
      '--model',
      path.dirname(report.model),
      '--features',
      features,
    ]);
    expect(examples).to.equal(400);
    expect(accuracy).to.be.within(0.8, 1);
    const rows = await graftJsonHere<Prediction[]>([
      'predict',
      '--model',
      report.model,
      '--features',
      features,
    ]);
    expect(rows).to.have.length(400);
    for (const wrong of [
      ['eval', '--model', report.model, '--features', features, '--data', folder],
      ['eval', '--model', report.model],
      ['predict', '--model', report.model, '--features', features, 'photo.jpg'],
      ['predict', '--model', report.model],
    ]) {
      const { status, stderr } = await graftHere(wrong);
      expect(status).to.equal(2);
      expect(stderr).to.match(/--features/);
    }
  });

  it('is told on a page in which nothing of a file is markup', () => {
    const html = readFileSync(report.report, 'utf8');
    expect(html).to.not.include('<script');
    expect(html).to.include('&lt;script&gt;');
    expect(html).to.match(/Content-Security-Policy/);
    expect(html.match(/https?:/g)).to.equal(null);
  });

  it('is told though the last line of its metrics is torn', async () => {
    const metrics = path.join(run, 'metrics.jsonl');
    writeFileSync(metrics, `${readFileSync(metrics, 'utf8')}{"epoch":99,"obj`);
    const { bytes } = await graftJsonHere<{ bytes: number }>(['report', run]);
    expect(bytes).to.be.above(5000);
  });

  it('says that a head alone takes no images', async () => {
    const { status, stderr } = await graftHere(['predict', '--model', report.model, 'photo.jpg']);
    expect(status).to.equal(1);
    expect(stderr).to.match(/head alone.*--backbone|no file photo/);
  });

  it('is merged with the backbone that makes such features by export --backbone', async () => {
    const six = path.join(folder, 'six.safetensors');
    writeFeatureFile(six, madeUpFeatures({ rows: 60, dim: tinyDim, classCount: 2 }));
    const trained = path.join(folder, 'six');
    await graftJsonHere(['train', '--features', six, '--out', trained]);
    const model = path.join(folder, 'tiny.onnx');
    writeFileSync(model, tinyBackbone());
    writeFileSync(`${model}.preprocess.json`, JSON.stringify(preprocess));
    await drawImages(path.join(folder, 'photos'), 1);
    const merged = path.join(folder, 'merged.onnx');
    const onBackbone = ['--backbone', model, '--layer', 'features', '--pool', 'none'];
    const exported = await graftJsonHere<ExportReport>([
      'export',
      '--run',
      trained,
      '--out',
      merged,
      ...onBackbone,
    ]);
    expect(exported.inputs).to.deep.equal([{ name: 'image', dtype: 'float32', shape: ['batch', 3, 12, 12] }]);
    expect(exported.verified.maxAbsDiff).to.be.below(1e-4);
    const [prediction] = await graftJsonHere<Prediction[]>([
      'predict',
      '--model',
      merged,
      path.join(folder, 'photos', '00000.png'),
    ]);
    expect(prediction!.label).to.match(/^class [01]$/);
    const compared = ['verify', '--model', merged, '--run', trained];
    const { maxAbsDiff } = await graftJsonHere<Verification>([...compared, '--backbone', model]);
    expect(maxAbsDiff).to.be.below(1e-4);
    const alone = await graftHere(compared);
    expect(alone.stderr).to.match(/has a backbone before the head.*name the backbone .* by --backbone/);
    expect(alone.status).to.equal(1);
    for (const [flag, value] of [
      ['layer', 'features'],
      ['max-length', '3'],
    ] as const) {
      const stray = await graftHere(['export', '--run', trained, '--out', merged, `--${flag}`, value]);
      expect(stray.stderr).to.include(`--${flag} is about the backbone that made the features`);
      expect(stray.status).to.equal(2);
    }
    writeFeatureFile(six, madeUpFeatures({ rows: 60, dim: 5, classCount: 2 }));
    await graftJsonHere(['train', '--features', six, '--out', trained]);
    const { status, stderr } = await graftHere(['export', '--run', trained, '--out', merged, ...onBackbone]);
    expect(status).to.equal(1);
    expect(stderr).to.match(/5/).and.to.match(/6/);
  });

  it('is refused beside --data, and beside what is about a table', async () => {
    for (const [flag, value, message] of [
      ['--data', folder, /--features stands in place of --data/],
      ['--group-column', 'patient', /--group-column is about a table .* the tensors labels and groups/],
    ] as const) {
      const { status, stderr } = await graftHere([
        'train',
        '--features',
        features,
        flag,
        value,
        '--out',
        run,
      ]);
      expect(status).to.equal(2);
      expect(stderr).to.match(message);
    }
  });

  it('is refused beside what makes features of photos or texts, by every command, rather than passed over', async () => {
    const of = {
      train: ['--out', run],
      tune: ['--out', run],
      eval: ['--model', report.model],
      predict: ['--model', report.model],
    };
    for (const [command, flag] of [
      ['train', ['--max-length', '64']],
      ['train', ['--backbone-batch', '4']],
      ['train', ['--duplicates', 'remove']],
      ['tune', ['--pool', 'avg']],
      ['eval', ['--on-error', 'fail']],
      ['predict', ['--on-error', 'fail']],
      ['eval', ['--batch', '4']],
      ['predict', ['--batch', '4']],
    ] as const) {
      const { status, stderr } = await graftHere([command, '--features', features, ...of[command], ...flag]);
      expect(stderr).to.match(new RegExp(`${flag[0]} is about making features .* leave ${flag[0]} away`));
      expect(status).to.equal(2);
    }
  });
});
