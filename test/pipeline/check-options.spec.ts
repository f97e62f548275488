import { rmSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import { GraftError } from '../../src/errors.js';
import { cacheFeatures } from '../../src/pipeline/cache-features.js';
import { exportRun } from '../../src/pipeline/export-run.js';
import { predictInputs } from '../../src/pipeline/predict-inputs.js';
import { inspectModel } from '../../src/pipeline/inspect-model.js';
import { reportRun } from '../../src/pipeline/report-run.js';
import { runAll } from '../../src/pipeline/run-all.js';
import { trainRun } from '../../src/pipeline/train-run.js';
import { tuneRun } from '../../src/pipeline/tune-run.js';
import { trainHead } from '../../src/train/train-head.js';
import { decodeModel } from '../../src/onnx/read-model.js';
import { temporaryFolder } from '../e2e/graft.js';

/** As a program in JavaScript calls them. */
const functions = {
  cacheFeatures,
  decodeModel: async (bytes: Uint8Array) => decodeModel(bytes),
  exportRun,
  inspectModel,
  predictInputs,
  reportRun,
  runAll,
  trainHead,
  trainRun,
  tuneRun,
} as unknown as Record<string, (options?: unknown) => Promise<unknown>>;

describe('Options of the functions', () => {
  const folder = temporaryFolder();
  after(() => rmSync(folder, { recursive: true }));
  const run = { backbone: 'scattering', data: folder, out: path.join(folder, 'run') };
  const set = {
    rows: 2,
    dim: 2,
    classes: ['a', 'b'],
    labels: Int32Array.of(0, 1),
    features: new Float32Array(4),
  };
  const refused: readonly [name: string, options: unknown, message: RegExp][] = [
    ['decodeModel', undefined, /the content of an ONNX file \(Uint8Array\) for bytes but received undefined/],
    ['decodeModel', 'a.onnx', /for bytes but received "a\.onnx"/],
    ['inspectModel', undefined, /the path of an ONNX file, .* for backbone but received undefined/],
    ['trainHead', undefined, /a set of features \(.*\) for train but received undefined/],
    ['trainHead', {}, /for train\.dim but received undefined/],
    ['trainHead', { ...set, classes: 2 }, /a list of names for train\.classes but received 2/],
    ['trainHead', { ...set, labels: [0, 1] }, /an Int32Array .* for train\.labels but received/],
    [
      'trainHead',
      { ...set, features: new Float32Array(3) },
      /2 · 2 numbers for train\.features but received 3/,
    ],
    ['runAll', undefined, /an object with backbone, data, out for options but received undefined/],
    ['runAll', {}, /for backbone but received undefined/],
    ['trainRun', { ...run, out: '' }, /for out but received ""/],
    ['trainRun', { ...run, solver: 'adam' }, /lbfgs, adamw, sgd for solver but received "adam"/],
    ['trainRun', { ...run, head: 'foo' }, /for head but received "foo"/],
    ['trainRun', { ...run, task: 'toString' }, /for task but received "toString"/],
    ['trainRun', { ...run, l2: -1 }, /a number of 0 or more for l2 but received -1/],
    ['trainRun', { ...run, l2: Number.NaN }, /for l2 but received NaN/],
    ['trainRun', { ...run, epochs: '20' }, /a whole number above 0 for epochs but received "20"/],
    ['trainRun', { ...run, validation: 20 }, /a share from 0 to below 1 for validation but received 20/],
    ['trainRun', { ...run, threads: null }, /for threads but received null/],
    ['tuneRun', { ...run, folds: 1 }, /a whole number of 2 or more for folds but received 1/],
    ['cacheFeatures', { ...run, device: 'gpu' }, /for device but received "gpu"/],
    ['exportRun', { run: folder, out: 'x.onnx', precision: 'int4' }, /for precision but received "int4"/],
    [
      'predictInputs',
      { model: 'm.onnx', inputs: 'a.jpg' },
      /a list of paths or texts for inputs but received "a.jpg"/,
    ],
    ['reportRun', folder, /an object with run for options but received/],
  ];
  for (const [name, options, message] of refused) {
    it(`are refused at once: ${name}(${JSON.stringify(options)?.replace(folder, '…').replace(folder, '…')})`, async () => {
      const failure: unknown = await functions[name]!(options).catch((error: unknown) => error);
      expect(failure).to.be.instanceOf(GraftError).with.property('message').that.matches(message);
      expect(failure).to.have.property('code', 'INVALID_ARGUMENT');
    });
  }
});
