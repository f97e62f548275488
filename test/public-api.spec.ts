import { readdirSync } from 'node:fs';
import { expect } from 'chai';
import * as api from '../src/index.js';

const functionsOf: Readonly<Record<string, readonly (keyof typeof api)[]>> = {
  cache: ['cacheFeatures'],
  'cache-export': ['exportFeatures'],
  'cache-ls': ['listCache'],
  'cache-prune': ['pruneCache'],
  'cache-stats': ['cacheStats'],
  'cache-verify': ['verifyCache'],
  doctor: ['examineMachine'],
  eval: ['evaluateModel', 'evaluateFeatures'],
  export: ['exportRun'],
  gradient: ['writeGradients'],
  inspect: ['inspectModel'],
  models: ['listCatalogue', 'getModel'],
  predict: ['predictInputs', 'predictFeatures'],
  report: ['reportRun'],
  run: ['runAll', 'tuneAndExport'],
  serve: ['serveModel'],
  train: ['trainRun'],
  tune: ['tuneRun'],
  verify: ['verifyRun'],
};

describe('The public API', () => {
  it('has the functions of every command', () => {
    const commands = readdirSync('src/cli/commands').map((file) => file.replace(/\.ts$/, ''));
    expect(Object.keys(functionsOf)).to.have.members(commands);
    for (const name of Object.values(functionsOf).flat()) expect(api[name], name).to.be.a('function');
  });
});
