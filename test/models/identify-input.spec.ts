import { expect } from 'chai';
import { identifyInput } from '../../src/models/identify-input.js';
import type { TokenSpec } from '../../src/models/input-spec.js';
import type { TokenInputs } from '../../src/graph/token-inputs.js';

describe('What tells one way to read texts from another', () => {
  const specOf = (inputs: Partial<TokenInputs>, json = '{}'): TokenSpec => ({
    ...{ kind: 'tokens', tokenizer: { json }, maxLength: 16 },
    inputs: { ids: { name: 'input_ids', dtype: 'int64' }, ...inputs },
  });

  it('is new where texts were run with others that changed them, and as before where they were not', () => {
    const before = identifyInput(specOf({})).tokens;
    expect(before).to.have.all.keys('version', 'tokenizerSha256', 'maxLength').and.to.include({ version: 4 });
    expect(identifyInput(specOf({ isOfOneLength: true })).tokens).to.deep.equal({
      ...before,
      isOfOneLength: true,
    });
    const single = { ...before, isSingle: true };
    expect(identifyInput(specOf({ isSingle: true, isOfOneLength: true })).tokens).to.deep.equal(single);
  });

  it('is new where tokens must be single words, and as before where none must', () => {
    const versionOf = (single_word: boolean) =>
      identifyInput(specOf({}, JSON.stringify({ added_tokens: [{ single_word }] }, null, 2))).tokens?.version;
    expect(versionOf(true)).to.equal(5);
    expect(versionOf(false)).to.equal(4);
  });
});
