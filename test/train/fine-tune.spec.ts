import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import type { Tensor } from '../../src/tensor/tensor.js';
import { decodeSafetensors } from '../../src/tensor/safetensors.js';
import { type FineTuned, fineTune } from '../../src/train/fine-tune.js';
import type { FineTuneOptions } from '../../src/train/fine-tune-options.js';
import { type ActivationSet, rowsInMemory } from '../../src/train/row-source.js';
import type { Tail } from '../../src/train/tail.js';
import {
  decodeTrainingState,
  encodeTrainingState,
  type TrainingState,
} from '../../src/train/training-state.js';
import { convolutionalTail, openOnOneThread, randomTensor, randomWeights, taughtSet } from './tail-world.js';

const weights = randomWeights(10);
const tail = convolutionalTail(weights);

function tune(
  train: ActivationSet,
  validation: ActivationSet | undefined,
  options: FineTuneOptions = {},
  on: Tail = tail,
): Promise<FineTuned> {
  return fineTune(on, train, validation, { threads: 1, ...options }, openOnOneThread);
}

const failure = (promise: Promise<unknown>): Promise<Error & { code?: string }> =>
  promise.then(
    () => expect.fail('nothing was thrown'),
    (error: Error) => error,
  );

const copyOf = (state: TrainingState): TrainingState =>
  decodeTrainingState(encodeTrainingState(state), 'the test');

/** All that training comes to, but for the time it took. */
const bitsOf = ({ seconds: _, head, weights: tuned, ...rest }: FineTuned) => ({
  ...rest,
  tensors: [...tuned, ...head.parameters].map(([name, tensor]) => [name, bytesOf(tensor).toString('hex')]),
});

const bytesOf = ({ data }: Tensor): Buffer => Buffer.from(data.buffer, data.byteOffset, data.byteLength);

describe('fine-tuning a tail', function () {
  this.timeout(30_000);
  let train: ActivationSet;
  let validation: ActivationSet;

  before(async () => {
    train = await taughtSet(160, 1);
    validation = await taughtSet(80, 2);
  });

  describe('against PyTorch in float64', () => {
    const file = 'test/train/fixtures/tail-training.safetensors';
    const { tensors, metadata } = decodeSafetensors(readFileSync(file), file);
    const [settings, losses, ends] = [metadata.settings!, metadata.losses!, metadata.ends!].map(
      (text) => JSON.parse(text) as unknown,
    ) as [FineTuneOptions, number[], { after: number; average: number }];
    const start = new Map(
      [...tensors].flatMap(([name, tensor]) =>
        name.startsWith('start/') ? [[name.slice(6), tensor] as const] : [],
      ),
    );
    const x = tensors.get('x')!;
    const set: ActivationSet = {
      activations: rowsInMemory(x.data as Float32Array, 108),
      rows: 24,
      labels: tensors.get('labels')!.data as Int32Array,
      classes: ['a', 'b', 'c'],
    };
    const fullBatch = { ...settings, batch: 24, warmStart: false };

    for (const [kind, ema, end] of [
      ['after', 0, ends.after],
      ['average', settings.ema!, ends.average],
    ] as const) {
      it(`gives the same losses and weights: rates and decay by layer, clipping, ${kind === 'after' ? 'no average' : 'running average'}`, async () => {
        const result = await tune(set, undefined, { ...fullBatch, ema }, convolutionalTail(start));
        for (const [i, { train: score }] of result.history.entries()) {
          expect(score.loss).to.be.closeTo(losses[i]!, 2e-6);
        }
        expect(result.train.loss).to.be.closeTo(end, 2e-6);
        expect([...result.weights.keys()]).to.have.members([
          ...['conv', 'scale', 'shift', 'depthwise', 'pointwise', 'bias'],
        ]);
        for (const [name, { data }] of result.weights) {
          const expected = tensors.get(`${kind}/${name}`)!.data as Float64Array;
          for (const [i, value] of expected.entries()) expect(data[i], name).to.be.closeTo(value, 2e-5);
        }
      });
    }
  });

  it('brings the loss under that of the head alone, on examples it has not seen too', async () => {
    const { headAlone, ...result } = await tune(train, validation, { epochs: 12, tailLr: 5e-3, lr: 5e-3 });
    expect(result.train.loss).to.be.below(0.8 * headAlone!.train.loss);
    expect(result.validation!.loss).to.be.below(0.9 * headAlone!.validation!.loss);
    expect(result.validation!.accuracy!).to.be.above(headAlone!.validation!.accuracy!);
  });

  it('leaves the given weights and statistics as they were', async () => {
    const before = [...weights].map(([name, tensor]) => [name, Buffer.from(bytesOf(tensor))] as const);
    const result = await tune(train, validation, { epochs: 2 });
    for (const [name, bytes] of before)
      expect(bytesOf(weights.get(name)!).equals(bytes), name).to.equal(true);
    expect(result.weights.has('mean') || result.weights.has('var')).to.equal(false);
    expect(bytesOf(result.weights.get('conv')!).equals(bytesOf(weights.get('conv')!))).to.equal(false);
  });

  it('does not train a weight that the frozen part reads too', async () => {
    const shared = { ...tail, frozenWeights: new Set(['conv']) };
    const result = await tune(train, undefined, { epochs: 2 }, shared);
    expect([...result.weights.keys()]).to.have.members(['scale', 'shift', 'depthwise', 'pointwise', 'bias']);
  });

  it('says so where the frozen part reads all weights too', async () => {
    const shared = { ...tail, frozenWeights: new Set(weights.keys()) };
    const error = await failure(tune(train, undefined, { epochs: 1 }, shared));
    expect(error.code).to.equal('UNSUPPORTED_MODEL');
    expect(error.message).to.match(/are read before it too .* unfreeze an earlier layer/);
  });

  it('adds up the gradients of a weight that stands in two places', async () => {
    const double = sharedWeightTail();
    const { headAlone, ...result } = await tune(train, validation, { epochs: 10, tailLr: 5e-3 }, double);
    expect([...result.weights.keys()]).to.deep.equal(['kernel']);
    expect(result.train.loss).to.be.below(0.95 * headAlone!.train.loss);
  });

  it('moves nothing further from the head than layer decay allows', async () => {
    // The only step of a training is one at the full rates, and Adam's first moves a weight by its rate.
    const rates = { epochs: 1, tailLr: 1e-2, layerDecay: 0.01, batch: 160 };
    const result = await tune(train, undefined, rates);
    const moved = (name: string): number =>
      Math.max(
        ...[...(weights.get(name)!.data as Float32Array)].map((w, i) =>
          Math.abs(w - (result.weights.get(name)!.data[i] as number)),
        ),
      );
    expect(moved('pointwise')).to.be.closeTo(1e-2, 1e-5);
    expect(moved('depthwise')).to.be.closeTo(1e-4, 1e-6);
    expect(moved('scale')).to.be.closeTo(1e-6, 1e-7);
  });

  it('trains in few steps, and where the rates rise to the end', async () => {
    const kernel = async (options: FineTuneOptions) =>
      (await tune(train, undefined, { batch: 160, ...options })).weights.get('conv')!.data as Float32Array;
    for (const options of [
      { epochs: 1, warmUp: 1 },
      { epochs: 2, warmUp: 0.5 },
      { epochs: 3, warmUp: 1 },
    ]) {
      const found = await kernel(options);
      const moved = found.map((value, i) => Math.abs(value - (weights.get('conv')!.data[i] as number)));
      expect(Math.max(...moved), JSON.stringify(options)).to.be.within(1e-5, 1e-2);
    }
  });

  it('lets the layers join from the head on, each at its full rate', async () => {
    const rates = { epochs: 8, warmUp: 0, tailLr: 1e-3, lr: 1e-3, batch: 160 };
    const order = ['conv', 'scale', 'depthwise', 'pointwise'];
    for (const warmStart of [true, false]) {
      for (let epochs = 1; epochs <= 5; epochs++) {
        const stop = new AbortController();
        const kept: TrainingState[] = [];
        await failure(
          tune(train, undefined, {
            ...{ ...rates, warmStart, gradual: 4, signal: stop.signal },
            onEpoch: ({ epoch }) => epoch === epochs && stop.abort(),
            checkpoint: { everySeconds: 1e9, save: async (state) => void kept.push(copyOf(state)) },
          }),
        );
        const moved = order.filter((name) => {
          const now = kept[0]!.tensors.get(`weights/${name}`)!.data as Float32Array;
          return now.some((value, i) => value !== weights.get(name)!.data[i]);
        });
        const joined = Math.min(4, warmStart ? epochs : epochs - 1);
        expect(moved, `after ${epochs} epochs`).to.deep.equal(order.slice(4 - joined));
      }
    }
  });

  it('gives the same bytes for the same seed, and others for another', async () => {
    const run = (seed: number) => tune(train, validation, { epochs: 3, seed, ema: 0.9 });
    const [first, again, other] = [await run(4), await run(4), await run(5)];
    for (const [name, tensor] of [...first.weights, ...first.head.parameters]) {
      const same = again.weights.get(name) ?? again.head.parameters.get(name)!;
      expect(bytesOf(tensor).equals(bytesOf(same)), name).to.equal(true);
    }
    expect(bytesOf(first.weights.get('conv')!).equals(bytesOf(other.weights.get('conv')!))).to.equal(false);
  });

  for (const { task, figure } of [
    { task: 'single', figure: 'accuracy' },
    { task: 'regression', figure: 'r2' },
  ] as const) {
    it(`keeps the epoch with the best validation ${figure} and stops after \`patience\` without a better one`, async () => {
      const part = (set: ActivationSet) => (task === 'regression' ? withNumbers(set, true) : set);
      // A rate this high learns the few examples by heart: validation gets worse.
      const rates = { epochs: 60, patience: 4, lr: 0.05, tailLr: 0.05 };
      const result = await tune(part(subset(train, 24)), part(validation), { ...rates, task });
      const scores = [result.headAlone!, ...result.history].map((record) => record.validation!);
      const best = scores.toSorted((a, b) => b[figure]! - a[figure]! || a.loss - b.loss)[0]!;
      expect(scores.length).to.be.below(61);
      expect(result.stoppedAt).to.equal(scores.indexOf(best));
      expect(scores.length).to.equal(result.stoppedAt + 4 + 1);
      expect(result.validation!.loss).to.be.closeTo(best.loss, 1e-9);
    });
  }

  for (const head of [
    { kind: 'linear' },
    { kind: 'mlp', hidden: [8], activation: 'relu', dropout: 0 },
  ] as const) {
    it(`ends in the same bits as without a validation part where that is to choose nothing, with a head that is ${head.kind}`, async () => {
      const settings = { head, epochs: 6, patience: 1, lr: 0.05, tailLr: 0.05 };
      const few = subset(train, 24);
      const [chosen, judged, alone] = [
        await tune(few, validation, settings),
        await tune(few, validation, { ...settings, stopsEarly: false }),
        await tune(few, undefined, settings),
      ];
      expect(chosen.stoppedAt).to.be.below(6);
      expect(judged.stoppedAt).to.equal(6);
      expect(bitsOf(judged).tensors).to.deep.equal(bitsOf(alone).tensors);
      expect(judged.validation).to.deep.equal(judged.history.at(-1)!.validation);
    });
  }

  it('advises what was measured to help where few examples are learned by heart', async () => {
    const said: string[] = [];
    const logger = { info() {}, warn: (text: string) => void said.push(text) };
    const few = subset(train, 24);
    await tune(few, validation, { epochs: 20, lr: 0.05, tailLr: 0.05, stopsEarly: false, logger });
    expect(said).to.have.length(1);
    expect(said[0]).to.match(
      /^Overfitting: .* Try a larger --l2, more examples, or other layers: graft tune --unfreeze/,
    );
  });

  it('says so where the last weights are worse on the training part than the head alone was', async () => {
    const said: string[] = [];
    const logger = { info() {}, warn: (text: string) => void said.push(text) };
    await tune(train, undefined, { epochs: 1, batch: 80, lr: 0.5, tailLr: 0.5, logger });
    expect(said).to.have.length(1);
    expect(said[0]).to.match(
      /^Moving the layers made worse .* loss rose from .* accuracy fell from .* Try a lower --lr and --tail-lr/,
    );
    await tune(train, undefined, { epochs: 4, lr: 0.01, tailLr: 0.005, logger });
    expect(said).to.have.length(1);
  });

  it('keeps the head alone where moving the tail only made things worse', async () => {
    const result = await tune(withNumbers(subset(train, 12), true), withNumbers(validation, true), {
      task: 'regression',
      epochs: 4,
      lr: 1,
      tailLr: 1,
      patience: 2,
      clipNorm: 1e9,
    });
    expect(result.stoppedAt).to.equal(0);
    expect(result.validation).to.deep.equal(result.headAlone!.validation);
    expect(bytesOf(result.weights.get('conv')!).equals(bytesOf(weights.get('conv')!))).to.equal(true);
  });

  for (const { name, options, alone } of [
    { name: 'with a validation part', options: {} },
    { name: 'with a running average', options: { ema: 0.9, standardize: false } },
    { name: 'without a fitted head', options: { warmStart: false } },
    { name: 'with layers that join later', options: { gradual: 3 } },
    { name: 'of numbers to predict', options: { task: 'regression' } },
    { name: 'with a validation part that chooses nothing', options: { stopsEarly: false, patience: 1 } },
    { name: 'without a validation part', options: {}, alone: true },
  ] as { name: string; options: FineTuneOptions; alone?: true }[]) {
    it(`ends in the same bits from wherever it is taken up, ${name}`, async () => {
      const part = (set: ActivationSet) =>
        options.task === 'regression' ? withNumbers(subset(set, 70), true) : subset(set, 70);
      const held = alone ? undefined : part(validation);
      const settings = { epochs: 4, lr: 0.01, batch: 16, ...options };
      const kept: Uint8Array[] = [];
      const save = async (state: TrainingState): Promise<void> => void kept.push(encodeTrainingState(state));
      const whole = await tune(part(train), held, { ...settings, checkpoint: { everySeconds: 0, save } });
      // Five steps an epoch, and the end of it.
      expect(kept.length).to.equal(4 * 6);
      for (const moment of [0, 4, 5, 13, 22, 23]) {
        const from = decodeTrainingState(kept[moment]!, 'the test');
        const checkpoint = { from, everySeconds: 1e9, save };
        const resumed = await tune(part(train), held, { ...settings, checkpoint });
        expect(bitsOf(resumed), `state ${moment}`).to.deep.equal(bitsOf(whole));
      }
    });
  }

  it('keeps the step at which it is interrupted, and says so', async () => {
    const stop = new AbortController();
    const kept: TrainingState[] = [];
    const error = await failure(
      tune(train, undefined, {
        epochs: 100,
        signal: stop.signal,
        onEpoch: ({ epoch }) => {
          if (epoch === 2) setTimeout(() => stop.abort());
        },
        checkpoint: { everySeconds: 1e9, save: async (state) => void kept.push(state) },
      }),
    );
    expect(error.message).to.match(/stopped (in|after) epoch \d+, which is kept: the same command goes on/);
    expect(kept.map(({ history }) => history.length)).to.deep.equal([kept[0]!.epoch]);
  });

  it('says which rates to lower where the loss became infinite', async () => {
    const error = await failure(
      tune(train, undefined, { epochs: 3, tailLr: 1e30, lr: 1e30, clipNorm: Number.POSITIVE_INFINITY }),
    );
    expect(error.code).to.equal('TRAINING_FAILED');
    expect(error.message).to.match(/epoch \d; lower the learning rates with --lr and --tail-lr/);
  });

  it('stops within a step of the signal', async () => {
    const abort = new AbortController();
    setTimeout(() => abort.abort(), 100);
    const started = performance.now();
    const error = await failure(tune(train, undefined, { epochs: 100_000, signal: abort.signal }));
    expect(error.code).to.equal('INTERRUPTED');
    expect(performance.now() - started).to.be.below(10_000);
  });

  for (const { name, options, targets } of [
    { name: 'an MLP head', options: { head: { kind: 'mlp', hidden: [8], activation: 'relu', dropout: 0 } } },
    { name: 'a cosine head', options: { head: { kind: 'cosine', scale: 10 } } },
    { name: 'several labels an example', options: { task: 'multi' }, targets: true },
    { name: 'classes in an order', options: { task: 'ordered' } },
    { name: 'numbers to predict', options: { task: 'regression' }, targets: true },
    {
      name: 'balanced classes and smoothed labels',
      options: { classWeights: 'balanced', loss: { labelSmoothing: 0.1 } },
    },
    { name: 'the focal loss', options: { loss: { focal: 2 } } },
  ] as { name: string; options: FineTuneOptions; targets?: true }[]) {
    it(`learns with ${name}`, async () => {
      const set = (of: ActivationSet): ActivationSet =>
        targets ? withNumbers(of, options.task === 'regression') : of;
      const result = await tune(set(train), set(validation), {
        epochs: 10,
        lr: 5e-3,
        tailLr: 5e-3,
        ...options,
      });
      expect(result.train.loss).to.be.below(0.95 * result.headAlone!.train.loss);
    });
  }

  it('refuses a head that has nothing to train', async () => {
    const error = await failure(tune(train, undefined, { head: { kind: 'prototype' } }));
    expect(error.message).to.match(/prototype head .* take --head linear, mlp or cosine/);
  });

  it('refuses a tail without weights', async () => {
    const builder = new GraphBuilder();
    const cut = builder.input('cut', 'float32', ['n', 3, 6, 6]);
    const pooled = builder.op('Flatten', [builder.op('GlobalAveragePool', [cut])]);
    builder.output(pooled, 'float32', ['n', 3], 'features');
    const bare: Tail = { ...tail, model: builder.model(), dim: 3 };
    const error = await failure(tune(train, undefined, {}, bare));
    expect(error.code).to.equal('UNSUPPORTED_MODEL');
    expect(error.message).to.match(/no weights to train; unfreeze an earlier layer/);
  });
});

/** The same kernel twice, one after the other. */
function sharedWeightTail(): Tail {
  const builder = new GraphBuilder();
  const cut = builder.input('cut', 'float32', ['n', 3, 6, 6]);
  const kernel = builder.constant('kernel', randomTensor([3, 3, 3, 3], 31, 0.3));
  const conv = (x: string): string =>
    builder.op('Relu', [builder.op('Conv', [x, kernel], { attributes: { pads: [1, 1, 1, 1] } })]);
  const pooled = builder.op('Flatten', [builder.op('GlobalAveragePool', [conv(conv(cut))])]);
  builder.output(pooled, 'float32', ['n', 3], 'features');
  return { ...tail, model: builder.model(), dim: 3 };
}

function subset(set: ActivationSet, rows: number): ActivationSet {
  return { ...set, rows, labels: set.labels.slice(0, rows) };
}

/** A number for each class: whether it is the label, or a number far from 0 that follows from it. */
function withNumbers(set: ActivationSet, isRegression: boolean): ActivationSet {
  const { rows, labels } = set;
  const classes = isRegression ? ['price', 'size'] : set.classes;
  const targets = Float32Array.from({ length: rows * classes.length }, (_, i) => {
    const label = labels[Math.floor(i / classes.length)]!;
    if (isRegression) return 1000 + 300 * (i % 2 === 0 ? label : -label);
    return label === i % classes.length ? 1 : 0;
  });
  return { ...set, classes, labels: new Int32Array(0), targets };
}
