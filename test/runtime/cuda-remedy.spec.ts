import path from 'node:path';
import { expect } from 'chai';
import { installedVersion } from '../../src/pipeline/examine-machine.js';
import { cudaRemedy } from '../../src/runtime/providers.js';

describe('What is told of libraries', () => {
  it('names a command that is there: of an installed package, npm has no script', () => {
    expect(cudaRemedy(path.resolve('.'))).to.include('npm run setup:cuda');
    const installed = cudaRemedy(path.resolve('node_modules/mocha'));
    const script = /ONNXRUNTIME_NODE_INSTALL=cuda12 node (\S+)/.exec(installed)?.[1];
    expect(script).to.equal(path.resolve('node_modules/onnxruntime-node/script/install.js'));
  });

  it('is the version of one whose folder has another name than the package', () => {
    expect(installedVersion('@huggingface/tokenizers')).to.match(/^\d+\.\d+\.\d+$/);
    expect(installedVersion('onnxruntime-node')).to.match(/^\d+\.\d+\.\d+$/);
    expect(installedVersion('of-nobody')).to.equal('not installed');
  });
});
