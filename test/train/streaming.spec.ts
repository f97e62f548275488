import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { openFeatureFile } from '../../src/pipeline/feature-file.js';
import { loadFeatureParts, openFeatureParts } from '../../src/pipeline/feature-parts.js';
import type { FeatureSet, StreamedSet } from '../../src/train/feature-set.js';
import { rowsInMemory } from '../../src/train/row-source.js';
import { sweepOptimum } from '../../src/train/sweep-optimum.js';
import { trainHead } from '../../src/train/train-head.js';
import type { TrainOptions } from '../../src/train/train-options.js';
import { stackStreamedViews, stackViews } from '../../src/train/views.js';
import { madeUpFeatures, writeFeatureFile } from './made-up-features.js';

/** More rows than a block has. */
const set = madeUpFeatures({ rows: 11_000, dim: 5, classCount: 3 });

const trainings: Readonly<Record<string, TrainOptions>> = {
  lbfgs: { solver: 'lbfgs' },
  'lbfgs without standardising': { solver: 'lbfgs', standardize: false },
  sgd: { solver: 'sgd', epochs: 2, batch: 500 },
  'adamw, an MLP with dropout and mixup': {
    solver: 'adamw',
    head: { kind: 'mlp', hidden: [8], activation: 'relu', dropout: 0.3 },
    mixup: 0.4,
    epochs: 2,
    batch: 300,
    standardize: false,
  },
  prototypes: { head: { kind: 'prototype' } },
};

describe('features that are read when they are needed', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'graft-stream-'));
  const file = path.join(folder, 'features.safetensors');
  before(() => writeFeatureFile(file, set));
  after(() => rmSync(folder, { recursive: true, force: true }));

  for (const [name, options] of Object.entries(trainings)) {
    it(`give the weights and the scores that those in memory give, to the last bit: ${name}`, async () => {
      const opened = await openFeatureFile(file, {});
      try {
        const { train, validation } = await loadFeatureParts(opened);
        const streamed = openFeatureParts(opened);
        const there = await trainHead(train, validation, options);
        const read = await trainHead(streamed.train, streamed.validation, options);
        expect(read.head.parameters).to.deep.equal(there.head.parameters);
        expect(read.history).to.deep.equal(there.history);
        expect(read.objective).to.equal(there.objective);
      } finally {
        await opened.close();
      }
    });
  }

  it('may be views of photos, each epoch taking one', async () => {
    const plain = madeUpFeatures({ rows: 60 });
    const views = [2, 3].map((seed) => madeUpFeatures({ rows: 60, seed }).features);
    const streamed = stackStreamedViews(
      inFile(plain),
      views.map((view) => rowsInMemory(view, plain.dim)),
    );
    for (const solver of ['adamw', 'lbfgs'] as const) {
      const options = { solver, epochs: 3, batch: 16 };
      const there = await trainHead(stackViews(plain, views), undefined, options);
      const read = await trainHead(streamed, undefined, options);
      expect(read.head.parameters, solver).to.deep.equal(there.head.parameters);
    }
  });

  it('are swept over folds and penalties with the same result', async () => {
    const small = madeUpFeatures({ rows: 200 });
    const folds = Int32Array.from({ length: 200 }, (_, row) => row % 3);
    const search = { folds, foldCount: 3, l2: [0.01, 1], head: { kind: 'linear' } as const };
    const settings = { ...search, task: 'single' as const, standardize: true };
    const there = await sweepOptimum({ ...settings, train: small });
    expect(await sweepOptimum({ ...settings, train: inFile(small) })).to.deep.equal(there);
  });
});

function inFile(plain: FeatureSet): StreamedSet {
  return { ...plain, features: rowsInMemory(plain.features, plain.dim) };
}
