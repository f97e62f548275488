import path from 'node:path';
import { expect } from 'chai';
import { toGoOnWith } from '../../src/pipeline/source-config.js';

describe('The options that a run is resumed with', () => {
  it('hold in another working directory, whatever is a path among them', () => {
    const kept = toGoOnWith({
      ...{ backbone: 'scattering', data: 'photos', out: 'run', cache: 'cache', preprocess: 'spec.json' },
      ...{ tokenizer: 'tokenizer.json', augment: 'bounds.json', tensorboard: 'boards' },
    });
    const paths = { data: 'photos', cache: 'cache', preprocess: 'spec.json', tokenizer: 'tokenizer.json' };
    for (const [name, file] of Object.entries({ ...paths, augment: 'bounds.json', tensorboard: 'boards' }))
      expect(kept[name], name).to.equal(path.resolve(file));
    expect(kept.backbone, 'a name of the catalogue').to.equal('scattering');
  });

  it('keep what is no path', () => {
    const run = { backbone: 'scattering', data: 'photos', out: 'run', augment: 'crop,flip', tensorboard: '' };
    expect(toGoOnWith(run)).to.include({ augment: 'crop,flip', tensorboard: '' });
    expect(toGoOnWith({ features: 'a.safetensors', out: 'run' })).not.to.have.any.keys('cache', 'preprocess');
  });
});
