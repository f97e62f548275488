import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { exportHead } from '../../src/export/export-model.js';
import { decodeModel } from '../../src/onnx/read-model.js';
import { encodeModel } from '../../src/onnx/write-model.js';
import { evaluateFeatures } from '../../src/pipeline/evaluate-features.js';
import { exportRun } from '../../src/pipeline/export-run.js';
import { predictFeatures } from '../../src/pipeline/predict-features.js';
import { trainRun } from '../../src/pipeline/train-run.js';
import type { ClassEvaluation, NumberEvaluation } from '../../src/metrics/evaluation.js';
import { trainHead } from '../../src/train/train-head.js';
import { float32 } from '../../src/tensor/tensor.js';
import { int64, madeUpFeatures, writeFeatureFile } from '../train/made-up-features.js';
import { preprocess, tinyBackbone } from '../features/tiny-backbone.js';

describe('an exported head on features made elsewhere', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'graft-features-'));
  const at = (name: string): string => path.join(folder, name);
  const model = at('head.onnx');
  const set = madeUpFeatures({ rows: 240, dim: 6, classCount: 3 });
  const split = int64(Array.from({ length: 240 }, (_, row) => Math.floor(row / 100)));
  const failure = (options: { features?: string; model?: string; split?: 'test' }): Promise<Error> =>
    evaluateFeatures({ model, features: at('all.safetensors'), ...options }).then(
      () => new Error('nothing was refused'),
      (error: Error) => error,
    );
  before(async () => {
    writeFeatureFile(at('all.safetensors'), set, { split });
    await trainRun({ features: at('all.safetensors'), out: at('run') });
    await exportRun({ run: at('run'), out: model });
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('is measured as the run measured itself on the part that validates', async () => {
    const found = (await evaluateFeatures({
      model,
      features: at('all.safetensors'),
      split: 'validation',
    })) as ClassEvaluation;
    const { evaluation } = JSON.parse(readFileSync(at('run/evaluation.json'), 'utf8')) as {
      evaluation: ClassEvaluation;
    };
    expect(found.examples).to.equal(100);
    expect(found.confusion).to.deep.equal(evaluation.confusion);
    expect(found.loss).to.be.closeTo(evaluation.loss, 1e-5);
    const everything = await evaluateFeatures({ model, features: at('all.safetensors') });
    expect(everything.examples).to.equal(240);
  });

  it('finds its classes by their names, whatever their order in the file, and though some are missing', async () => {
    const rows = [...set.labels.keys()].filter((row) => set.labels[row] === 2);
    const [few, features] = [rows.length, new Float32Array(rows.length * 6)];
    rows.forEach((row, i) => features.set(set.features.subarray(6 * row, 6 * row + 6), 6 * i));
    const part = { rows: few, dim: 6, features, labels: new Int32Array(few), classes: ['class 2'] };
    writeFeatureFile(at('one.safetensors'), part);
    const whole = (await evaluateFeatures({ model, features: at('all.safetensors') })) as ClassEvaluation;
    const found = (await evaluateFeatures({ model, features: at('one.safetensors') })) as ClassEvaluation;
    expect(found.confusion[2]).to.deep.equal(whole.confusion[2]);
    expect(found.perClass[2]!.recall).to.equal(whole.perClass[2]!.recall);
  });

  it('predicts numbers in the order of their names', async () => {
    const { features, dim, rows } = set;
    const values = float32([rows, 2], new Float32Array(2 * rows));
    for (let row = 0; row < rows; row++) {
      (values.data as Float32Array)[2 * row] = 3 * features[row * dim]!;
      (values.data as Float32Array)[2 * row + 1] = 50 - 20 * features[row * dim + 1]!;
    }
    const targets = values.data as Float32Array;
    const numbers = { ...set, labels: new Int32Array(), targets, classes: ['a', 'b'] };
    const { head } = await trainHead(numbers, undefined, { task: 'regression', l2: 1e-3 });
    writeFileSync(at('numbers.onnx'), encodeModel(exportHead(head)));
    const swapped = float32(
      [rows, 2],
      targets.map((_, i) => targets[i ^ 1]!),
    );
    for (const [file, given, classes] of [
      ['ab', values, ['a', 'b']],
      ['ba', swapped, ['b', 'a']],
    ] as const) {
      writeFeatureFile(at(file), { ...set, classes }, { targets: given });
      const found = await evaluateFeatures({ model: at('numbers.onnx'), features: at(file) });
      expect((found as NumberEvaluation).r2).to.be.above(0.999);
    }
    const [first] = await predictFeatures({ model: at('numbers.onnx'), features: at('ab') });
    expect(first!.values!.b).to.be.closeTo(targets[1]!, 0.1);
  });

  it('labels every row, and needs no labels for that', async () => {
    const bare = at('bare.safetensors');
    writeFeatureFile(bare, set, { labels: int64([7]) }, {});
    const predictions = await predictFeatures({ model, features: bare });
    expect(predictions.map(({ input }) => input)).to.deep.equal(
      Array.from({ length: 240 }, (_, row) => `row ${row}`),
    );
    const right = predictions.filter(({ label }, row) => label === set.classes[set.labels[row]!]).length;
    const { accuracy } = (await evaluateFeatures({
      model,
      features: at('all.safetensors'),
    })) as ClassEvaluation;
    expect(right / 240).to.be.closeTo(accuracy, 1e-9);
  });

  it('refuses features of another length, unknown classes, a part that is not named, and a model of images', async () => {
    writeFeatureFile(at('long.safetensors'), madeUpFeatures({ rows: 30, dim: 9, classCount: 3 }));
    expect((await failure({ features: at('long.safetensors') })).message).to.match(
      /long\.safetensors holds 9 numbers a row, but .*head\.onnx takes 6/,
    );
    writeFeatureFile(at('strange.safetensors'), { ...set, classes: ['class 0', 'class 1', 'toad'] });
    expect((await failure({ features: at('strange.safetensors') })).message).to.match(
      /has classes that .*head\.onnx does not know: toad\. It knows class 0, class 1, class 2/,
    );
    expect((await failure({ features: at('strange.safetensors'), split: 'test' })).message).to.match(
      /has no tensor split/,
    );
    const head = decodeModel(readFileSync(model), { path: model });
    const metadata = new Map([...head.metadata, ['graft.preprocess', JSON.stringify(preprocess)]]);
    writeFileSync(at('images.onnx'), encodeModel({ ...head, metadata }));
    expect((await failure({ model: at('images.onnx') })).message).to.match(/takes images, not features/);
    writeFileSync(at('plain.onnx'), tinyBackbone());
    expect((await failure({ model: at('plain.onnx') })).message).to.match(/holds no labels in its metadata/);
    const spoilt = set.features.slice();
    spoilt[6 * 5 + 2] = Number.NaN;
    writeFeatureFile(at('spoilt.safetensors'), { ...set, features: spoilt });
    expect((await failure({ features: at('spoilt.safetensors') })).message).to.match(
      /row 5, column 2 is NaN/,
    );
  });

  it('names the row for which a model, or a head in training, gives no number', async () => {
    const sharp = at('sharp.onnx');
    await trainRun({ features: at('all.safetensors'), out: at('sharp'), l2: 1e-4 });
    await exportRun({ run: at('sharp'), out: sharp });
    const large = { ...set, features: set.features.slice() };
    large.features.fill(3e38, 6 * 150, 6 * 151);
    writeFeatureFile(at('large.safetensors'), large, { split });
    const message = /gives NaN for row 150 of .*large\.safetensors/;
    expect((await failure({ model: sharp, features: at('large.safetensors') })).message).to.match(message);
    const refusal = (work: Promise<unknown>) =>
      work.then(
        () => 'nothing was refused',
        (error: Error) => error.message,
      );
    expect(await refusal(predictFeatures({ model: sharp, features: at('large.safetensors') }))).to.match(
      message,
    );
    for (const solver of ['lbfgs', 'adamw'] as const) {
      const training = { features: at('large.safetensors'), out: at('large'), solver, l2: 1e-4 };
      expect(await refusal(trainRun({ ...training, ...(solver === 'adamw' && { lr: 0.3 }) }))).to.match(
        /loss on the validation part is NaN/,
      );
    }
  });
});
