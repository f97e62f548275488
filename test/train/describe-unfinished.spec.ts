import { expect } from 'chai';
import { describeUnfinished } from '../../src/train/describe-unfinished.js';
import { trainHead } from '../../src/train/train-head.js';
import { selectRows } from '../../src/train/select-rows.js';
import type { TrainOptions } from '../../src/train/train-options.js';
import { madeUpFeatures } from './made-up-features.js';

describe('A training that ends too soon', () => {
  const all = madeUpFeatures({ rows: 300, spread: 3 });
  const rows = Array.from({ length: 300 }, (_, row) => row);
  const [train, validation] = [selectRows(all, rows.slice(0, 200)), selectRows(all, rows.slice(200))];

  async function warningsOf(options: TrainOptions): Promise<string[]> {
    const warnings: string[] = [];
    const logger = { info() {}, warn: (message: string) => void warnings.push(message) };
    await trainHead(train, validation, { threads: 1, ...options, logger });
    return warnings.filter((message) => message.startsWith('Unfinished'));
  }

  it('is said with how much the validation loss still fell, and the remedy', async () => {
    const said =
      /^Unfinished: the validation loss still fell, from 1\.\d+ to 1\.\d+, in the last 2 epochs of 20\..*--epochs, .*--lr/;
    const [warning, ...others] = await warningsOf({ solver: 'adamw', epochs: 20, batch: 200 });
    expect(warning).to.match(said);
    expect(others).to.be.empty;
  });

  it('is not one that stopped early, went on until little changed, or went to the optimum', async () => {
    expect(await warningsOf({ solver: 'adamw', lr: 0.05, epochs: 200 }), 'early').to.be.empty;
    expect(await warningsOf({ solver: 'adamw', epochs: 400, patience: 1000 }), 'long').to.be.empty;
    expect(await warningsOf({ solver: 'lbfgs' }), 'optimum').to.be.empty;
    expect(await warningsOf({ head: { kind: 'prototype' } }), 'prototype').to.be.empty;
  });

  it('tells the large losses of amounts in few digits', () => {
    const history = [4_000_000, 2_072_092.9282, 110_865.273].map((loss, i) => {
      return { epoch: i + 1, objective: loss, train: { loss }, validation: { loss } };
    });
    expect(describeUnfinished(history)).to.contain('from 2.072e+6 to 110865.3,');
  });

  it('is not seen without a validation part, or by a single epoch', () => {
    const record = { objective: 1, train: { loss: 1 } };
    expect(describeUnfinished([1, 2, 3].map((epoch) => ({ ...record, epoch })))).to.equal(undefined);
    expect(describeUnfinished([{ ...record, epoch: 1, validation: { loss: 1 } }])).to.equal(undefined);
  });
});
