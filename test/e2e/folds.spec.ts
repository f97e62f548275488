import { existsSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import type { TrainReport } from '../../src/pipeline/training-run.js';
import type { TuneReport } from '../../src/pipeline/tuning-run.js';
import { float32 } from '../../src/tensor/tensor.js';
import { int64, madeUpFeatures, writeFeatureFile } from '../train/made-up-features.js';
import { temporaryFolder } from './graft.js';
import { graftHere, graftJsonHere } from './graft-here.js';
import { linesOf, signalWhen } from './killed-run.js';

describe('graft train --folds', function () {
  this.timeout(60_000);
  const folder = temporaryFolder();
  const at = (name: string): string => path.join(folder, name);
  const features = at('features.safetensors');
  const grouped = at('grouped.safetensors');
  const set = madeUpFeatures({ rows: 160, dim: 8, classCount: 3, spread: 2 });
  // Four groups of each class.
  const groups = set.labels.map((label, row) => 4 * label + (row % 4));

  before(() => {
    writeFeatureFile(features, set);
    writeFeatureFile(grouped, set, { groups: int64(groups) });
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const train = (file: string, out: string, ...flags: string[]): string[] => [
    'train',
    '--features',
    file,
    '--out',
    at(out),
    '--threads',
    '1',
    ...flags,
  ];

  it('trains the head that it trains without them, and adds what the folds say', async () => {
    const plain = await graftJsonHere<TrainReport>(train(features, 'plain'));
    const { crossValidation, labelErrors, ...folded } = await graftJsonHere<TrainReport>(
      train(features, 'folded', '--folds', '4'),
    );
    expect({ ...folded, run: '', seconds: 0 }).to.deep.equal({ ...plain, run: '', seconds: 0 });
    const heads = ['plain', 'folded'].map((run) => readFileSync(at(`${run}/head.safetensors`), 'hex'));
    expect(heads[0]).to.equal(heads[1]);
    expect(crossValidation!.folds).to.equal(4);
    expect(Object.keys(crossValidation!)).to.have.members(['folds', 'accuracy', 'macroF1', 'loss']);
    for (const spread of [crossValidation!.accuracy!, crossValidation!.macroF1!, crossValidation!.loss]) {
      expect(spread.perFold).to.have.length(4);
      expect(spread.perFold.reduce((a, b) => a + b) / 4).to.be.closeTo(spread.mean, 1e-12);
    }
    const kept = JSON.parse(readFileSync(at('folded/result.json'), 'utf8')) as TrainReport;
    expect(kept.labelErrors).to.deep.equal(labelErrors);
    expect(kept.crossValidation).to.deep.equal(crossValidation);
  });

  it('says on the terminal and in the report what a search with the same settings finds', async () => {
    for (const file of [features, grouped]) {
      const { stdout } = await graftHere(train(file, 'said', '--folds', '3', '--l2', '2'));
      const flags = ['--folds', '3', '--l2', '2', '--validation', '0.2', '--threads', '1'];
      const tuned = await graftJsonHere<TuneReport>([
        'tune',
        '--features',
        file,
        '--out',
        at('tuned'),
        ...flags,
      ]);
      const [{ mean, std, loss }] = tuned.candidates as [TuneReport['best']];
      expect(tuned.trained.crossValidation).to.equal(undefined);
      const said = `ross-validated over 3 folds: accuracy ${(100 * mean).toFixed(1)} % ± ${(100 * std).toFixed(1)} %`;
      expect(stdout).to.contain(`c${said}`);
      expect(stdout).to.contain(`loss ${loss.toFixed(4)} ± `);
      await graftHere(['report', at('said')]);
      expect(readFileSync(at('said/report.html'), 'utf8')).to.contain(`C${said}`);
    }
  });

  it('lists the labels that the other folds find wrong, on the terminal, in a table and in the report', async () => {
    const clear = madeUpFeatures({ rows: 200, dim: 8, classCount: 3, spread: 0.5 });
    const wrong = [3, 50, 101, 148, 199];
    for (const row of wrong) clear.labels[row] = (clear.labels[row]! + 1) % 3;
    const file = at('wrong.safetensors');
    writeFeatureFile(file, clear);
    const call = train(file, 'wrong', '--folds', '5', '--validation', '0');
    const { labelErrors } = await graftJsonHere<TrainReport>(call);
    const table = at('wrong/label-errors.csv');
    expect(labelErrors).to.deep.equal({ found: 5, examples: 200, file: table });
    const [header, ...lines] = readFileSync(table, 'utf8').trim().split('\n');
    expect(header).to.equal('path,label,prediction,label_probability,prediction_probability');
    const listed = lines.map((line) => Number(/^row (\d+),/.exec(line)![1]));
    expect(listed).to.have.members(wrong);
    for (const line of lines) {
      const [, label, prediction, labelProbability, probability] = line.split(',');
      expect(label).to.not.equal(prediction);
      expect(Number(labelProbability)).to.be.below(0.5);
      expect(Number(probability)).to.be.above(0.5);
    }
    await graftHere(['report', at('wrong')]);
    const page = readFileSync(at('wrong/report.html'), 'utf8');
    expect(page).to.contain('Labels to check').and.contain('5 of 200 labels look wrong');
    for (const row of wrong) expect(page).to.contain(`row ${row}`);
    const { stdout } = await graftHere(call);
    expect(stdout).to.contain(`5 of 200 labels look wrong: ${table}`);
    await graftHere(train(file, 'wrong', '--validation', '0'));
    expect(existsSync(table)).to.equal(false);
  });

  it('gives the errors of numbers, and goes with graft run', async () => {
    const numbers = at('numbers.safetensors');
    const targets = Float32Array.from(
      set.labels,
      (_, row) => set.features[8 * row]! - set.features[8 * row + 1]!,
    );
    writeFeatureFile(numbers, set, { targets: float32([set.rows, 1], targets) }, { classes: '["weight"]' });
    const { crossValidation } = await graftJsonHere<TrainReport>([
      'run',
      '--features',
      numbers,
      '--task',
      'regression',
      '--out',
      at('numbers'),
      '--folds',
      '3',
    ]);
    expect(Object.keys(crossValidation!)).to.have.members(['folds', 'r2', 'mae', 'rmse', 'loss']);
    expect(crossValidation!.r2!.mean).to.be.above(0.9);
  });

  for (const [title, file, flags, status, message] of [
    ['one fold', features, ['--folds', '1'], 2, /2 or more for --folds/],
    ['more folds than examples', features, ['--folds', '500'], 1, /--folds 500 but there are 128/],
    [
      'a fold for less than one example of a class',
      features,
      ['--folds', '100'],
      1,
      /class.*"class \d" has \d+/,
    ],
    ['more folds than groups', grouped, ['--folds', '12'], 1, /12 groups or more for 12 folds/],
  ] as const) {
    it(`refuses ${title}, and trains nothing`, async () => {
      const outcome = await graftHere(train(file, 'refused', ...flags));
      expect(outcome.stderr)
        .to.match(message)
        .and.not.to.match(/\n\s+at /);
      expect(outcome.status).to.equal(status);
      expect(existsSync(at('refused'))).to.equal(false);
    });
  }

  it('refuses unfrozen layers and names the search that judges them', async () => {
    const { status, stderr } = await graftHere([
      'train',
      '--backbone',
      'b.onnx',
      '--data',
      folder,
      '--out',
      at('refused'),
      '--folds',
      '3',
      '--unfreeze',
      '12',
    ]);
    expect(status).to.equal(2);
    expect(stderr).to.match(/--folds .* --unfreeze; graft tune --unfreeze 12 --folds 3/);
  });

  it('stops at Ctrl-C in the middle of the folds, with no head, and goes on with the same command', async () => {
    // Folds that draw mixtures go one after another.
    const call = train(
      features,
      'stopped',
      '--folds',
      '30',
      '--epochs',
      '20',
      '--batch',
      '2',
      '--mixup',
      '0.2',
    );
    call.push('--solver', 'adamw', '--lr', '0.0001');
    const metrics = at('stopped/metrics.jsonl');
    const { status, stderr } = await signalWhen(call, 'SIGINT', () => linesOf(metrics) === 20);
    expect(stderr).to.match(/cross-validation was stopped/);
    expect(status).to.equal(130);
    expect(existsSync(at('stopped/head.safetensors'))).to.equal(false);
    const again = await graftJsonHere<TrainReport>(call);
    expect(again.crossValidation!.loss.perFold).to.have.length(30);
  });
});
