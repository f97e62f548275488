import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import { generateDemoData } from '../../scripts/demo/generate-demo-data.js';
import type { Verification } from '../../src/export/compare-on-providers.js';
import type { ClassEvaluation } from '../../src/metrics/evaluation.js';
import type { CacheReport } from '../../src/pipeline/cache-features.js';
import type { EvaluationReport } from '../../src/pipeline/evaluate-model.js';
import type { Prediction } from '../../src/pipeline/describe-prediction.js';
import type { RunReport } from '../../src/pipeline/run-all.js';
import { openSession } from '../../src/runtime/open-session.js';
import { float32 } from '../../src/tensor/tensor.js';
import { graft, temporaryFolder } from './graft.js';
import { graftHere, graftJsonHere } from './graft-here.js';

describe('the main job on the built-in backbone', function () {
  this.timeout(180_000);
  const folder = temporaryFolder();
  const data = path.join(folder, 'photos');
  const run = path.join(folder, 'run');
  const env = { GRAFT_CACHE: path.join(folder, 'cache') };
  const backbone = ['--backbone', 'scattering', '--data', data, '--device', 'cpu'];
  let report: RunReport;
  let printed: string;

  before(async () => {
    await generateDemoData({ folder: data, seed: 3, perClass: 6 });
    const { status, stdout, stderr } = await graft(['run', ...backbone, '--out', run, '--json'], env);
    expect(status, stderr).to.equal(0);
    printed = stdout;
    report = JSON.parse(stdout.split('\n')[0]!) as RunReport;
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('holds out a stratified fifth and tells both parts', () => {
    const total = report.cache!.examples;
    expect(report.examples.validation).to.equal(Math.round(total / 5));
    expect(report.examples.train + report.examples.validation).to.equal(total);
  });

  it('learns far beyond chance', () => {
    expect(report.validation!.accuracy).to.be.above(3 / report.classes.length);
  });

  it('computes nothing in a second run, and learns the same', async () => {
    const again = await graftJsonHere<RunReport>(
      ['run', ...backbone, '--out', path.join(folder, 'again')],
      env,
    );
    expect(again.computed).to.equal(0);
    expect(again.cached).to.equal(report.cache!.examples);
    expect(again.objective).to.equal(report.objective);
    expect(readFileSync(again.model).equals(readFileSync(report.model))).to.equal(true);
  });

  it('computes only what is new after a photo was added, renamed and moved to another class', async () => {
    const changed = path.join(folder, 'changed');
    const [first, second] = report.classes as [string, string];
    for (const label of report.classes) {
      mkdirSync(path.join(changed, label), { recursive: true });
      for (const name of readdirSync(path.join(data, label))) {
        writeFileSync(
          path.join(changed, label, `renamed-${name}`),
          readFileSync(path.join(data, label, name)),
        );
      }
    }
    const moved = readdirSync(path.join(changed, first))[0]!;
    writeFileSync(path.join(changed, second, moved), readFileSync(path.join(changed, first, moved)));
    rmSync(path.join(changed, first, moved));
    const cached = await graftJsonHere<CacheReport>(
      ['cache', '--backbone', 'scattering', '--data', changed, '--device', 'cpu'],
      env,
    );
    expect(cached.computed).to.equal(0);
    expect(cached.cached).to.equal(report.cache!.examples);
  });

  it('writes every file of a run folder', () => {
    for (const name of ['config.json', 'metrics.jsonl', 'result.json', 'head.safetensors', 'model.onnx']) {
      expect(existsSync(path.join(run, name)), name).to.equal(true);
    }
    const epochs = readFileSync(path.join(run, 'metrics.jsonl'), 'utf8').trim().split('\n');
    expect(epochs.length).to.be.above(1);
    for (const line of epochs) expect(JSON.parse(line)).to.include.keys('epoch');
  });

  it('verifies on onnxruntime-node and onnxruntime-web within 1e-4', async () => {
    const verification = await graftJsonHere<Verification>(
      ['verify', '--model', report.model, '--run', run],
      env,
    );
    expect(verification.maxAbsDiff).to.be.below(1e-4);
    expect(verification.providers.map(({ name }) => name)).to.include.members(['cpu', 'wasm']);
  });

  it('fails verification when one weight of the exported file was changed', async () => {
    const tampered = path.join(folder, 'tampered.onnx');
    const { decodeModel } = await import('../../src/onnx/read-model.js');
    const { encodeModel } = await import('../../src/onnx/write-model.js');
    const { toInitializer, toTensor } = await import('../../src/onnx/initializer.js');
    const model = decodeModel(readFileSync(report.model), { path: report.model });
    const initializers = new Map(model.graph.initializers);
    const [name] = [...initializers.keys()].filter((key) => key.startsWith('head/'));
    const tensor = toTensor(initializers.get(name!)!);
    const data = (tensor.data as Float32Array).slice();
    data[0]! += 1;
    initializers.set(name!, toInitializer(name!, { ...tensor, data }));
    writeFileSync(tampered, encodeModel({ ...model, graph: { ...model.graph, initializers } }));
    const { status, stderr } = await graftHere(['verify', '--model', tampered, '--run', run], env);
    expect(status).to.equal(1);
    expect(stderr).to.match(/differs from backbone and head by/);
  });

  it('exports a file that plain onnxruntime runs at batch 1 and 32 with the same rows', async () => {
    const session = await openSession(report.model);
    try {
      const [, channels, height, width] = report.inputs[0]!.shape as number[];
      const perImage = channels! * height! * width!;
      const pixels = Float32Array.from({ length: 32 * perImage }, (_, i) => Math.sin(i * 0.01));
      const feed = (rows: number) => ({
        [session.inputNames[0]!]: float32(
          [rows, channels!, height!, width!],
          pixels.subarray(0, rows * perImage),
        ),
      });
      const many = await session.run(feed(32));
      const one = await session.run(feed(1));
      expect(many.probabilities!.dims).to.deep.equal([32, report.classes.length]);
      for (const [i, value] of (one.probabilities!.data as Float32Array).entries()) {
        expect(value).to.be.closeTo(many.probabilities!.data[i] as number, 1e-5);
      }
    } finally {
      await session.release();
    }
  });

  it('predicts what eval counts', async () => {
    const evaluation = await graftJsonHere<EvaluationReport>(
      ['eval', '--model', report.model, '--data', data],
      env,
    );
    const inputs = report.classes.map((label) => path.join(data, label));
    const predictions = await graftJsonHere<Prediction[]>(
      ['predict', '--model', report.model, ...inputs],
      env,
    );
    const right = predictions.filter(({ input, label }) => path.basename(path.dirname(input)) === label);
    expect(predictions).to.have.length(evaluation.examples);
    expect(right.length / predictions.length).to.be.closeTo((evaluation as ClassEvaluation).accuracy, 1e-12);
    const sum = Object.values(predictions[0]!.scores!).reduce((a, b) => a + b, 0);
    expect(sum).to.be.closeTo(1, 1e-5);
  });

  it('keeps stdout to one JSON document', () => {
    expect(printed.trim().split('\n')).to.have.length(1);
    expect(JSON.parse(printed)).to.include.keys('run', 'classes', 'examples', 'objective', 'stoppedAt');
  });
});
