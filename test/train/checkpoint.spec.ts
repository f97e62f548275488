import { expect } from 'chai';
import { encodeHead } from '../../src/heads/head-file.js';
import type { TrainOptions } from '../../src/train/train-options.js';
import { type TrainResult, trainHead } from '../../src/train/train-head.js';
import {
  decodeTrainingState,
  encodeTrainingState,
  type TrainingState,
} from '../../src/train/training-state.js';
import { madeUpFeatures } from './made-up-features.js';

const train = madeUpFeatures({ rows: 240, seed: 1 });
const validation = madeUpFeatures({ rows: 80, seed: 2 });

const cases: readonly (readonly [name: string, options: TrainOptions])[] = [
  ['lbfgs', { solver: 'lbfgs', l2: 0.01 }],
  [
    'lbfgs of an MLP',
    { solver: 'lbfgs', head: { kind: 'mlp', hidden: [6], activation: 'tanh', dropout: 0 }, epochs: 40 },
  ],
  ['adamw', { solver: 'adamw', lr: 0.02, batch: 32, epochs: 12 }],
  [
    'adamw until it no longer gets better',
    { solver: 'adamw', lr: 0.05, batch: 16, epochs: 200, patience: 3 },
  ],
  [
    'adamw of an MLP with dropout, mixup, an average and a plateau',
    {
      solver: 'adamw',
      head: { kind: 'mlp', hidden: [8], activation: 'relu', dropout: 0.3 },
      ...{ lr: 0.05, batch: 32, epochs: 14, mixup: 0.3, ema: 0.9, schedule: 'plateau' },
    },
  ],
  ['sgd, one cycle', { solver: 'sgd', lr: 0.05, batch: 50, epochs: 12, schedule: 'one-cycle', warmUp: 0.1 }],
  ['sgd', { solver: 'sgd', lr: 0.05, batch: 50, epochs: 12 }],
];

/** All that a run comes to, but for the time it took. */
const essence = ({ head, seconds: _, ...rest }: TrainResult) => ({
  ...rest,
  head: Buffer.from(encodeHead(head)).toString('hex'),
});

describe('training from a checkpoint', () => {
  for (const [name, given] of cases) {
    const options = { ...given, threads: 1 };
    it(`ends in the same bits from wherever it is taken up: ${name}`, async () => {
      const kept: Uint8Array[] = [];
      const whole = await trainHead(train, validation, {
        ...options,
        checkpoint: { everySeconds: 0, save: async (state) => void kept.push(encodeTrainingState(state)) },
      });
      const plain = await trainHead(train, validation, options);
      expect(essence(whole)).to.deep.equal(essence(plain));
      expect(kept.length).to.be.at.least(4);
      const moments = [0, 1, Math.floor(kept.length / 2), kept.length - 2, kept.length - 1];
      for (const moment of moments) {
        const from = decodeTrainingState(kept[moment]!, 'the test');
        const resumed = await trainHead(train, validation, {
          ...options,
          checkpoint: { from, everySeconds: 1e9, save: async () => {} },
        });
        expect(essence(resumed), `state ${moment} of ${kept.length}`).to.deep.equal(essence(whole));
      }
    });
  }

  it('takes up L-BFGS where it was: in float32, in the variables found on the way, in differences from any anchor, and after these were given up', async () => {
    const options: TrainOptions = { solver: 'lbfgs', l2: 0.01, tolerance: 1e-18, threads: 1 };
    const kept: TrainingState[] = [];
    const whole = await trainHead(train, undefined, {
      ...options,
      checkpoint: {
        everySeconds: 0,
        save: async (state) => void kept.push(decodeTrainingState(encodeTrainingState(state), 'the test')),
      },
    });
    const waysOf = ({ fields, tensors }: TrainingState) =>
      fields.precision === 'float32' ? 'float32' : tensors.has('anchor') ? 'differences' : 'float64';
    const isLast = (state: TrainingState, i: number) => {
      const next = kept[i + 1]?.fields;
      return !next || Number(next.iteration) <= Number(state.fields.iteration);
    };
    const ends = kept.filter(isLast);
    const ways = ends.map(waysOf);
    const anchors = ways.filter((way) => way === 'differences').length;
    expect(anchors).to.be.at.least(2);
    const differences = Array<string>(anchors).fill('differences');
    expect(ways).to.deep.equal(['float32', 'float32', ...differences, 'float64']);
    expect(ends.map(({ fields }) => fields.looks)).to.deep.equal(ends.map((_, i) => Math.min(i, 1)));
    for (const from of [...ends, kept.at(-4)!]) {
      const resumed = await trainHead(train, undefined, {
        ...options,
        checkpoint: { from, everySeconds: 1e9, save: async () => {} },
      });
      expect(essence(resumed), waysOf(from)).to.deep.equal(essence(whole));
    }
  });

  it('keeps the epoch at which it is interrupted', async () => {
    const stop = new AbortController();
    const kept: number[] = [];
    let error: unknown;
    await trainHead(train, validation, {
      solver: 'adamw',
      epochs: 50,
      signal: stop.signal,
      onEpoch: ({ epoch }) => {
        if (epoch === 7) stop.abort();
      },
      checkpoint: { everySeconds: 1e9, save: async ({ epoch }) => void kept.push(epoch) },
    }).catch((thrown: unknown) => {
      error = thrown;
    });
    expect(kept).to.deep.equal([7]);
    expect(String(error)).to.match(/stopped after epoch 7, which is kept/);
  });
});
