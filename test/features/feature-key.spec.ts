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

  it('is for images what it always was: stores of earlier versions are found again', () => {
    expect(featureKey(source)).to.equal('e30fe513a1b09a93785876fb65199339794d19f2048f0f0af5ea851455b735c5');
  });

  it('holds the tokenizer and the greatest length in place of the preprocessing for texts', () => {
    const { preprocess, ...settings } = source;
    const tokens = { version: 4, tokenizerSha256: 'c'.repeat(64), maxLength: 128 } as const;
    const key = featureKey({ ...settings, tokens });
    expect(key).to.not.equal(featureKey({ ...settings, preprocess }));
    expect(key).to.not.equal(featureKey({ ...settings, tokens: { ...tokens, maxLength: 64 } }));
    const other = { ...tokens, tokenizerSha256: 'd'.repeat(64) };
    expect(key).to.not.equal(featureKey({ ...settings, tokens: other }));
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
    { isSingle: true as const },
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
