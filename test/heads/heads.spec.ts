import { expect } from 'chai';
import { GraftError } from '../../src/errors.js';
import { appendHeadOutputs, buildHead } from '../../src/heads/build-head.js';
import type { HeadSpec } from '../../src/heads/head.js';
import { decodeHead, encodeHead } from '../../src/heads/head-file.js';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import { encodeModel } from '../../src/onnx/write-model.js';
import { createRng } from '../../src/rng.js';
import { openSession } from '../../src/runtime/open-session.js';
import { openWebSession } from '../../src/runtime/open-web-session.js';
import type { Session } from '../../src/runtime/session.js';
import type { TaskKind } from '../../src/tasks/task.js';
import { taskOf } from '../../src/tasks/task-of.js';
import { encodeSafetensors } from '../../src/tensor/safetensors.js';
import { float32 } from '../../src/tensor/tensor.js';
import type { FeatureSet } from '../../src/train/feature-set.js';
import { trainHead } from '../../src/train/train-head.js';
import type { TrainOptions } from '../../src/train/train-options.js';

const rows = 120;
const dim = 6;
const classes = ['a', 'b', 'c'];

/** Features that tell the targets with some noise, off centre and of uneven scale. */
export function drawSet(task: TaskKind, seed = 5): FeatureSet {
  const rng = createRng(seed);
  const features = new Float32Array(rows * dim);
  const labels = new Int32Array(rows);
  const targets = new Float32Array(rows * classes.length);
  for (let row = 0; row < rows; row++) {
    const label = row % classes.length;
    labels[row] = label;
    for (let d = 0; d < dim; d++) {
      const signal = task === 'ordered' ? (d === 0 ? 2 * label : 0) : d === label ? 2 : 0;
      features[row * dim + d] = (signal + rng.normal()) * 3 ** d + 5 * d;
    }
    for (let c = 0; c < classes.length; c++) {
      const x = (features[row * dim + c]! - 5 * c) / 3 ** c;
      targets[row * classes.length + c] =
        task === 'multi' ? Number(x > 1) : 100 * c + 7 * x + 0.1 * rng.normal();
    }
  }
  const set = { features, dim, rows, classes };
  return taskOf(task).targetForm === 'label'
    ? { ...set, labels }
    : { ...set, labels: new Int32Array(), targets };
}

const mlp: HeadSpec = { kind: 'mlp', hidden: [16, 8], activation: 'relu', dropout: 0 };

interface Case {
  readonly title: string;
  readonly task: TaskKind;
  readonly head: HeadSpec;
  readonly options?: TrainOptions;
  /** What the task's figure must reach on the training part. */
  readonly atLeast: number;
}

const byEpochs: TrainOptions = { epochs: 60, lr: 0.02, batch: 16, l2: 0.01 };
const cases: readonly Case[] = [
  { title: 'linear, single', task: 'single', head: { kind: 'linear' }, atLeast: 0.8 },
  { title: 'linear, multi', task: 'multi', head: { kind: 'linear' }, atLeast: 0.9 },
  { title: 'linear, regression', task: 'regression', head: { kind: 'linear' }, atLeast: 0.98 },
  { title: 'linear, ordered', task: 'ordered', head: { kind: 'linear' }, atLeast: 0.65 },
  {
    title: 'linear by AdamW, ordered',
    task: 'ordered',
    head: { kind: 'linear' },
    options: { ...byEpochs, solver: 'adamw' },
    atLeast: 0.65,
  },
  {
    title: 'linear by SGD, regression',
    task: 'regression',
    head: { kind: 'linear' },
    options: { ...byEpochs, solver: 'sgd' },
    atLeast: 0.98,
  },
  ...(['relu', 'gelu', 'tanh', 'silu'] as const).map((activation) => ({
    title: `mlp with ${activation}, single`,
    task: 'single' as const,
    head: { ...mlp, activation },
    options: byEpochs,
    atLeast: 0.85,
  })),
  {
    title: 'mlp with dropout, single',
    task: 'single',
    head: { ...mlp, dropout: 0.3 },
    options: byEpochs,
    atLeast: 0.8,
  },
  { title: 'mlp, multi', task: 'multi', head: mlp, options: byEpochs, atLeast: 0.9 },
  { title: 'mlp, regression', task: 'regression', head: mlp, options: byEpochs, atLeast: 0.95 },
  { title: 'mlp, ordered', task: 'ordered', head: mlp, options: byEpochs, atLeast: 0.65 },
  {
    title: 'mlp by L-BFGS, single',
    task: 'single',
    head: mlp,
    options: { solver: 'lbfgs', l2: 0.1, epochs: 60 },
    atLeast: 0.85,
  },
  {
    title: 'cosine, single',
    task: 'single',
    head: { kind: 'cosine', scale: 10 },
    options: byEpochs,
    atLeast: 0.75,
  },
  { title: 'prototype, single', task: 'single', head: { kind: 'prototype' }, atLeast: 0.75 },
];

describe('the heads', () => {
  for (const { title, task, head: spec, options, atLeast } of cases) {
    it(`learn, and score raw features as they did standardised ones in training: ${title}`, async () => {
      const set = drawSet(task);
      const { head, train, validation } = await trainHead(set, set, {
        head: spec,
        task,
        threads: 1,
        ...options,
      });
      const { figure, outputNames } = taskOf(task);
      expect(train[figure.name], figure.title).to.be.at.least(atLeast);
      // Read back from its file, on raw features, in both runtimes.
      const kept = decodeHead(encodeHead(head), 'head');
      const builder = new GraphBuilder({ opset: 13 });
      const x = builder.input('x', 'float32', ['batch', dim]);
      const { outputs } = appendHeadOutputs(builder, x, kept);
      builder.output(outputs, 'float32', ['batch', classes.length], outputNames.outputs);
      const bytes = encodeModel(builder.model());
      for (const session of [await openSession(bytes), await openWebSession(bytes)]) {
        const found = await runHead(session, x, set, outputNames.outputs);
        const measured = taskOf(task).measure(found, set);
        expect(measured.loss).to.be.closeTo(validation!.loss, 2e-4 * (1 + validation!.loss));
        expect(measured[figure.name]).to.be.closeTo(validation![figure.name]!, 1e-4);
      }
    });
  }

  it('are refused where features are single numbers, which cosines cannot tell apart', async () => {
    const features = Float32Array.from({ length: rows }, (_, row) => (row % 2 === 0 ? 3 : -2));
    const labels = Int32Array.from(features, (value) => Number(value > 0));
    const set = { features, dim: 1, rows, labels, classes: ['down', 'up'] };
    const head = { kind: 'cosine', scale: 10 } as const;
    expect(await trainHead(set, undefined, { head, threads: 1 }).catch(String)).to.match(
      /cosine head compares directions.*--head linear or mlp/,
    );
  });

  for (const { title, change, says } of [
    {
      title: 'a kind nobody knows',
      change: { spec: '{"kind":"lineal"}' },
      says: 'linear, mlp, cosine, prototype',
    },
    { title: 'no names of classes', change: { classes: '"abc"' }, says: 'a list of texts but is "abc"' },
    {
      title: 'no widths of an mlp',
      change: { spec: '{"kind":"mlp","activation":"relu","dropout":0}' },
      says: 'hidden should',
    },
    {
      title: 'an activation nobody knows',
      change: { spec: '{"kind":"mlp","hidden":[4],"activation":"sine","dropout":0}' },
      says: 'the activation of head should be one of relu, gelu, tanh, silu but spec is',
    },
    {
      title: 'no factor of cosines',
      change: { spec: '{"kind":"cosine"}' },
      says: 'scale should be a number',
    },
    { title: 'no size', change: { dim: 'x' }, says: 'dim should be a whole number above 0 but is x' },
    { title: 'another size', change: { dim: '7' }, says: 'should have the shape [7,3] but has [6,3]' },
  ]) {
    it(`are refused where the file holds ${title}, in one sentence`, () => {
      const parameters = new Map([
        ['head/weight', float32([6, 3], new Float32Array(18))],
        ['head/bias', float32([3], new Float32Array(3))],
      ]);
      const metadata = { spec: '{"kind":"linear"}', task: 'single', dim: '6', classes: '["a","b","c"]' };
      expect(decodeHead(encodeSafetensors(parameters, metadata), 'head').classes).to.deep.equal(classes);
      const broken = encodeSafetensors(parameters, { ...metadata, ...change });
      expect(() => decodeHead(broken, 'head'))
        .to.throw(GraftError, says)
        .with.property('code', 'FILE_UNREADABLE');
    });
  }

  it('is refused once where the file is cut off', () => {
    expect(() => decodeHead(new Uint8Array([200, 0, 0, 0, 0, 0, 0, 0]), 'head')).to.throw(
      GraftError,
      /^head is not a readable safetensors file: [^.]*\.$/,
    );
  });

  it('keep only what the finished graph reads: an mlp of ordered classes, the thresholds but not the steps between them', async () => {
    const set = drawSet('ordered');
    const { head } = await trainHead(set, undefined, { head: mlp, task: 'ordered', epochs: 1, threads: 1 });
    const builder = new GraphBuilder({ opset: 13 });
    const x = builder.input('x', 'float32', ['batch', dim]);
    builder.output(appendHeadOutputs(builder, x, head).outputs, 'float32', ['batch', classes.length], 'y');
    const { nodes, initializers } = builder.model().graph;
    const read = nodes.flatMap(({ inputs }) => inputs);
    expect(read).to.include.members([...initializers.keys()]);
  });

  it('give the same bytes for the same seed, and others for another one', async () => {
    const set = drawSet('single');
    const fit = async (seed: number) =>
      encodeHead(
        (
          await trainHead(set, undefined, {
            head: { ...mlp, dropout: 0.5 },
            mixup: 0.4,
            epochs: 3,
            batch: 32,
            ema: 0.9,
            seed,
            threads: 1,
          })
        ).head,
      );
    const [first, again, other] = [await fit(1), await fit(1), await fit(2)];
    expect(Buffer.compare(first, again)).to.equal(0);
    expect(Buffer.compare(first, other)).to.not.equal(0);
  });

  it('are refused where their weights would fill any memory', () => {
    const shape = { dim: 243, outputCount: 6, task: 'single' } as const;
    const spec = { kind: 'mlp', hidden: [99_999_999], activation: 'relu', dropout: 0 } as const;
    expect(() => buildHead(spec, shape)).to.throw(
      GraftError,
      /2\.5e\+10 weights, .*; make --hidden smaller\./,
    );
    expect(() => buildHead({ kind: 'linear' }, { ...shape, dim: 2 ** 29 })).to.throw(
      GraftError,
      /fewer features/,
    );
  });

  for (const standardize of [false, true]) {
    it(`never finds a class without examples among prototypes (standardize ${standardize})`, async () => {
      const set = (features: readonly number[], labels: readonly number[]): FeatureSet => ({
        features: Float32Array.from(features),
        labels: Int32Array.from(labels),
        dim: 2,
        rows: labels.length,
        classes,
      });
      const train = set([1, 0, 0.9, 0.1, 0, 1, 0.1, 0.9], [0, 0, 2, 2]);
      // Nearer to the origin, and to the centre of all, than to either mean.
      const between = set([0.3, 0.2, 0.2, 0.3, 0.55, 0.5, 0.5, 0.55], [0, 2, 0, 2]);
      const { validation } = await trainHead(train, between, { head: { kind: 'prototype' }, standardize });
      expect(validation!.accuracy).to.equal(1);
    });
  }

  it('are refused for a task that they are not for, with those that are', async () => {
    try {
      await trainHead(drawSet('regression'), undefined, { head: { kind: 'prototype' }, task: 'regression' });
    } catch (error) {
      expect(String(error)).to.match(/prototype head is for classes.*regression.*linear or mlp/);
      return;
    }
    throw new Error('It was not refused.');
  });
});

async function runHead(
  session: Session,
  input: string,
  set: FeatureSet,
  output: string,
): Promise<Float32Array> {
  try {
    const run = await session.run({ [input]: float32([set.rows, dim], set.features) });
    return run[output]!.data as Float32Array;
  } finally {
    await session.release();
  }
}
