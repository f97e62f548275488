import { expect } from 'chai';
import { canonicalJson, featureKey } from '../../src/features/feature-key.js';
import { source } from './tiny-backbone.js';

describe('Feature key', () => {
  it('is the sha256 of a text that does not depend on the order of fields', () => {
    const { backboneSha256, ...rest } = source;
    const { scale, ...preprocess } = source.preprocess;
    const reordered = { ...rest, preprocess: { scale, ...preprocess }, backboneSha256 };
    expect(featureKey(reordered)).to.equal(featureKey(source));
    expect(featureKey(source)).to.match(/^[0-9a-f]{64}$/);
  });

  const changes = [
    { backboneSha256: 'b'.repeat(64) },
    { layer: 'other' },
    { pool: 'max' },
    { view: 'flipped' },
    { dtype: 'float16' as const },
    { preprocess: { ...source.preprocess, scale: 1 } },
    { preprocess: { ...source.preprocess, mean: [0.5, 0.4, 0.300001] } },
    { preprocess: { ...source.preprocess, resize: null } },
  ];
  for (const change of changes) {
    it(`changes with ${JSON.stringify(change)}`, () => {
      expect(featureKey({ ...source, ...change })).to.not.equal(featureKey(source));
    });
  }

  it('refuses what JSON would turn into null', () => {
    expect(() => canonicalJson({ mean: [Number.NaN] })).to.throw(/finite numbers/);
  });

  it('writes nested values sorted and without white space', () => {
    expect(canonicalJson({ b: [1, { d: null, c: 'ä"' }], a: true, e: undefined })).to.equal(
      '{"a":true,"b":[1,{"c":"ä\\"","d":null}]}',
    );
  });
});
