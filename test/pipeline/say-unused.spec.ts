import { expect } from 'chai';
import { sayUnused, sayUnusedByLayers } from '../../src/pipeline/say-unused.js';

describe('Options that the training takes no notice of', () => {
  const warnings: string[] = [];
  const logger = { info() {}, warn: (text: string) => void warnings.push(text) };
  const out = 'run';
  beforeEach(() => void warnings.splice(0));

  it('are said where L-BFGS has no steps of some examples, and what was perhaps meant', () => {
    sayUnused({ out, batch: 8, patience: 3 }, { solver: 'lbfgs' }, logger);
    expect(warnings).to.deep.equal([
      '--batch 8 and --patience 3 are not used: L-BFGS sees all examples at once and stops at the optimum; ' +
        'examples a run of the backbone are --backbone-batch.',
    ]);
  });

  it('are said of a head that is computed, and of layers that AdamW trains', () => {
    sayUnused({ out, epochs: 5 }, { head: { kind: 'prototype' }, solver: 'adamw' }, logger);
    sayUnusedByLayers({ out, solver: 'sgd', schedule: 'step', nesterov: false }, logger);
    expect(warnings[0]).to.match(/^--epochs 5 is not used: a prototype head is computed/);
    sayUnused({ out, patience: 3, stopsEarly: false }, { solver: 'adamw' }, logger);
    expect(warnings[2]).to.match(/^--patience 3 is not used: .*the folds chose/);
    sayUnusedByLayers({ out, patience: 3, stopsEarly: false }, logger);
    expect(warnings[3]).to.match(/^--patience 3 is not used: .*the folds judged/);
    expect(warnings[1]).to.match(/^--solver sgd, --schedule step and --no-nesterov are not used: .*AdamW/);
  });

  it('are nothing to speak of where they count', () => {
    sayUnused({ out, batch: 8, patience: 3, epochs: 5 }, { solver: 'adamw' }, logger);
    sayUnused({ out, epochs: 5 }, { solver: 'lbfgs' }, logger);
    sayUnusedByLayers({ out, solver: 'adamw', patience: 3 }, logger);
    expect(warnings).to.deep.equal([]);
  });
});
