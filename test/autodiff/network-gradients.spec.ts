import { expect } from 'chai';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { compareNetworkGradients } from './network-gradients.js';

const folder = path.resolve('test/fixtures/networks');
const stems = readdirSync(folder)
  .filter((file) => file.endsWith('.onnx'))
  .map((file) => path.basename(file, '.onnx'));

describe('The gradients of a whole network as PyTorch exports it', () => {
  for (const stem of stems) {
    it(`are PyTorch's for ${stem}`, async () => {
      const differences = await compareNetworkGradients(path.join(folder, stem));
      expect(differences.length).to.be.greaterThan(3);
      for (const { name, relative } of differences)
        expect(relative, `relative difference of ${name}`).to.be.below(1e-5);
    });
  }
});
