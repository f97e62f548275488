import { expect } from 'chai';
import { trainHead } from '../../src/train/train-head.js';
import { usualBatch } from '../../src/train/train-options.js';
import { stackViews } from '../../src/train/views.js';
import { madeUpFeatures } from './made-up-features.js';

describe('The usual batch', () => {
  it('makes sixteen steps or more of an epoch, within 16 and 256', () => {
    const sizes = [1, 100, 511, 512, 1650, 4095, 4096, 1_000_000];
    expect(sizes.map(usualBatch)).to.deep.equal([16, 16, 16, 32, 64, 128, 256, 256]);
  });

  it('lets AdamW learn 240 examples in its usual epochs, which one step an epoch does not', async () => {
    const train = madeUpFeatures({ rows: 240, dim: 64, spread: 3 });
    const options = { solver: 'adamw', threads: 1 } as const;
    const { objective: lowest } = await trainHead(train, undefined, { threads: 1 });
    const above = async (batch?: number) =>
      (await trainHead(train, undefined, { ...options, ...(batch && { batch }) })).objective / lowest - 1;
    expect(await above()).to.be.below(0.5);
    expect(await above(256)).to.be.above(3);
  });

  it('goes by examples, not by their views', async () => {
    const plain = madeUpFeatures({ rows: 300 });
    const train = stackViews(plain, [plain.features]);
    const run = async (batch?: number) =>
      (await trainHead(train, undefined, { solver: 'adamw', threads: 1, epochs: 2, ...(batch && { batch }) }))
        .history;
    expect(await run()).to.deep.equal(await run(16));
    expect(await run()).not.to.deep.equal(await run(32));
  });
});
