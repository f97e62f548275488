import { expect } from 'chai';
import { sayUnused, sayUnusedByLayers } from '../../src/pipeline/say-unused.js';

describe('Options that the training takes no notice of', () => {
  const warnings: string[] = [];
  const logger = { info() {}, warn: (text: string) => void warnings.push(text) };
  const out = 'run';
  const held = { isValidated: true };
  beforeEach(() => void warnings.splice(0));

  it('are said where L-BFGS has no steps of some examples, and what was perhaps meant', () => {
    sayUnused({ out, batch: 8, patience: 3 }, { solver: 'lbfgs' }, held, logger);
    expect(warnings).to.deep.equal([
      '--batch 8 and --patience 3 are not used: L-BFGS sees all examples at once and stops at the optimum; ' +
        'examples a run of the backbone are --backbone-batch.',
    ]);
  });

  it('are said of a head that is computed, and of layers that AdamW trains', () => {
    sayUnused({ out, epochs: 5 }, { head: { kind: 'prototype' }, solver: 'adamw' }, held, logger);
    sayUnusedByLayers({ out, solver: 'sgd', schedule: 'step', nesterov: false }, held, logger);
    expect(warnings[0]).to.match(/^--epochs 5 is not used: a prototype head is computed/);
    sayUnused({ out, patience: 3, stopsEarly: false }, { solver: 'adamw' }, held, logger);
    expect(warnings[2]).to.match(/^--patience 3 is not used: .*the folds chose/);
    sayUnusedByLayers({ out, patience: 3, stopsEarly: false }, held, logger);
    expect(warnings[3]).to.match(/^--patience 3 is not used: .*the folds judged/);
    expect(warnings[1]).to.match(/^--solver sgd, --schedule step and --no-nesterov are not used: .*AdamW/);
  });

  it('are said where no part is held out whose loss could end the training', () => {
    const part = { isValidated: false };
    sayUnused({ out, patience: 3 }, { solver: 'adamw' }, part, logger);
    sayUnusedByLayers({ out, patience: 3 }, part, logger);
    const said = /^--patience 3 is not used: there is no validation part.*--validation 0\.2\.$/;
    expect(warnings).to.have.length(2);
    for (const warning of warnings) expect(warning).to.match(said);
    sayUnused({ out, epochs: 3 }, { solver: 'adamw' }, part, logger);
    expect(warnings).to.have.length(2);
  });

  it('are nothing to speak of where they count', () => {
    sayUnused({ out, batch: 8, patience: 3, epochs: 5 }, { solver: 'adamw' }, held, logger);
    sayUnused({ out, epochs: 5 }, { solver: 'lbfgs' }, held, logger);
    sayUnusedByLayers({ out, solver: 'adamw', patience: 3 }, held, logger);
    expect(warnings).to.deep.equal([]);
  });
});
