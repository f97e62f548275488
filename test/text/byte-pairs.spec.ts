/** The ids are those of tokenizers 0.23. */
import { expect } from 'chai';
import { loadTokenizer } from '../../src/text/load-tokenizer.js';

const unlimited = 1e6;

function encoderOf(
  tokens: readonly string[],
  model: object,
  parts: object = { pre_tokenizer: { type: 'WhitespaceSplit' } },
  config?: object,
): (text: string) => number[] {
  const json = JSON.stringify({
    ...{ normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null, added_tokens: [] },
    ...parts,
    model: { type: 'BPE', vocab: Object.fromEntries(tokens.map((token, id) => [token, id])), ...model },
  });
  const { encode } = loadTokenizer({ json, config: config && JSON.stringify(config) }, 'pairs');
  return (text) => encode(text, unlimited);
}

const tokens = '<unk> a b c ab abc ##b ##c ##bc a## c</w> abc</w> <0xC3> <0xA9> é x'.split(' ');
const merges = ['a b', 'ab c'];
const words = ['abc', 'a?b', 'a??bc', '??', 'a? ?b', 'ab'];

describe('Byte pairs', () => {
  const models: readonly (readonly [string, object, readonly (readonly number[])[]])[] = [
    ['without a token for the unknown', { merges }, [[5], [4], [5], [], [1, 2], [4]]],
    [
      'with one',
      { merges, unk_token: '<unk>' },
      [[5], [1, 0, 2], [1, 0, 0, 2, 3], [0, 0], [1, 0, 0, 2], [4]],
    ],
    [
      'with one for all unknown neighbours of a word',
      { merges, unk_token: '<unk>', fuse_unk: true },
      [[5], [1, 0, 2], [1, 0, 2, 3], [0], [1, 0, 0, 2], [4]],
    ],
    [
      'with a prefix inside of words',
      { merges: ['##b ##c', 'a ##b'], unk_token: '<unk>', continuing_subword_prefix: '##' },
      [[1, 8], [1, 0, 6], [1, 0, 0, 8], [0, 0], [1, 0, 0, 6], [4]],
    ],
    [
      'with a suffix at the end of words',
      { merges: ['a b', 'ab c</w>'], unk_token: '<unk>', end_of_word_suffix: '</w>' },
      [[11], [1, 0, 0], [1, 0, 0, 2, 10], [0, 0], [1, 0, 0, 0], [1, 0]],
    ],
  ];
  for (const [name, model, expected] of models) {
    it(`are joined as Hugging Face's library does: ${name}`, () => {
      expect(words.map(encoderOf(tokens, model))).to.deep.equal(expected);
    });
  }

  it('of characters that are unknown are their bytes, where all of them are tokens', () => {
    const model = { merges, unk_token: '<unk>', fuse_unk: true, byte_fallback: true };
    const withoutLetter = tokens.map((token) => (token === 'é' ? 'e' : token));
    expect(['é?', 'aé', 'è', '?èé'].map(encoderOf(tokens, model))).to.deep.equal([
      [14, 0],
      [1, 14],
      [0],
      [0, 14],
    ]);
    expect(['é?', 'aé'].map(encoderOf(withoutLetter, model))).to.deep.equal([
      [12, 13, 0],
      [1, 12, 13],
    ]);
  });

  it('of a long word without blanks take no time to speak of', () => {
    const began = performance.now();
    expect(encoderOf(tokens, { merges })('abcab'.repeat(40_000))).to.have.length(80_000);
    expect(performance.now() - began).to.be.below(2000);
  });

  it('may be letters for bytes from the normalizer on', () => {
    const encode = encoderOf(
      ['a', 'b', 'Ã', '©', 'Ã©', 'Ġ'],
      { merges: ['Ã ©'] },
      { normalizer: { type: 'ByteLevel' } },
    );
    expect(['é', 'aé b', 'éé'].map(encode)).to.deep.equal([[4], [0, 4, 5, 1], [4, 4]]);
  });

  it('of words of bytes have byte order marks for characters, and U+0085 for a blank', () => {
    const encode = encoderOf(
      'ï » ¿ Ċ a Ġ Â ħ Ġï ¿Ċ ħÂ'.split(' '),
      { merges: ['Ġ ï', '¿ Ċ', 'ħ Â'] },
      { pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true } },
    );
    expect(['\ufeff\na', 'a \ufeff', 'a\u0085\u0085a'].map(encode)).to.deep.equal([
      [0, 1, 2, 3, 4],
      [4, 8, 1, 2],
      [4, 6, 7, 6, 7, 4],
    ]);
  });

  it('begin with what a normalizer prepends, but not of an empty text, and keep blanks at the end', () => {
    const marks = ['▁', 'a', '▁a'];
    const stripped = {
      type: 'Sequence',
      normalizers: [
        { type: 'Strip', strip_left: true, strip_right: true },
        { type: 'Prepend', prepend: '▁' },
      ],
    };
    const prepended = encoderOf(marks, { merges: ['▁ a'] }, { normalizer: stripped });
    expect(['  ', 'a', '  a '].map(prepended)).to.deep.equal([[], [2], [2]]);
    const spaced = encoderOf(
      marks,
      { merges: ['▁ a'] },
      { pre_tokenizer: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true } },
      { remove_space: true },
    );
    expect(['a ', '  a a '].map(spaced)).to.deep.equal([
      [2, 0],
      [0, 2, 2, 0],
    ]);
  });

  it('are refused where a merge makes what is no token', () => {
    expect(() => encoderOf(tokens, { merges: ['a b', 'b c'] })).to.throw(
      /its merge "b c" asks for "bc", which its vocabulary lacks/,
    );
  });
});
