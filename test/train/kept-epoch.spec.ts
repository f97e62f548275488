import { expect } from 'chai';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { tuneRun } from '../../src/pipeline/tune-run.js';
import { trainHead } from '../../src/train/train-head.js';
import { madeUpFeatures, writeFeatureFile } from './made-up-features.js';

describe('The epoch whose weights are kept', () => {
  // Too high a rate: the loss soon rises and falls from epoch to epoch.
  const settings = { solver: 'sgd', lr: 1, batch: 16, epochs: 13, threads: 1 } as const;
  const train = madeUpFeatures({ rows: 120 });
  const validation = madeUpFeatures({ rows: 60, seed: 2 });

  it('is that of the lowest validation loss', async () => {
    const { stoppedAt, history } = await trainHead(train, validation, settings);
    const losses = history.map((record) => record.validation!.loss);
    expect(stoppedAt).to.equal(1 + losses.indexOf(Math.min(...losses)));
    expect(stoppedAt).to.be.below(13);
  });

  it('is the last one without a validation part, whatever smoothing makes of the plain training loss', async () => {
    for (const loss of [{}, { labelSmoothing: 0.2 }]) {
      const { stoppedAt, history } = await trainHead(train, undefined, { ...settings, loss });
      expect(stoppedAt).to.equal(13);
      expect(history).to.have.lengthOf(13);
    }
  });

  it('is the one that the folds of a search chose, not one that the part held out for a last judgement likes', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'graft-kept-'));
    try {
      const features = path.join(folder, 'features.safetensors');
      writeFeatureFile(features, train);
      const said: string[] = [];
      const logger = { info() {}, warn: (text: string) => void said.push(text) };
      const { report } = await tuneRun({
        ...{ features, out: path.join(folder, 'run'), validation: 0.3, folds: 2, threads: 1 },
        ...{ solver: 'sgd', lr: 1, l2: 1, batch: 16, epochs: 13, schedule: 'cosine', patience: 2 },
      });
      expect(report.best.epochs).to.equal(13);
      expect(report.trained.stoppedAt).to.equal(13);
      await tuneRun({ features, out: path.join(folder, 'exact'), l2: 1, folds: 2, epochs: 13 }, { logger });
      expect(said).to.include('--epochs 13 is not used: none of the candidates goes by epochs.');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
