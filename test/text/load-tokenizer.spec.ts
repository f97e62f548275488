import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import { loadTokenizer } from '../../src/text/load-tokenizer.js';
import { tinyTokenizer } from './random-bert.js';

interface Fixture {
  readonly texts: readonly string[];
  readonly tokenizers: readonly { name: string; json: object; ids: readonly number[][] }[];
  readonly minilm: { texts: readonly string[]; ids: readonly number[][]; truncated: readonly number[][] };
}

const fixture = JSON.parse(
  readFileSync(path.resolve('test/text/fixtures/tokenizers.json'), 'utf8'),
) as Fixture;
const minilm = path.resolve('../shared/models/minilm-tokenizer/tokenizer.json');
const unlimited = 1e6;

describe('A tokenizer', () => {
  for (const { name, json, ids } of fixture.tokenizers) {
    it(`gives the ids of Hugging Face's own library: ${name}`, () => {
      const tokenizer = loadTokenizer({ json: JSON.stringify(json) }, name);
      for (const [i, text] of fixture.texts.entries()) {
        expect(tokenizer.encode(text, unlimited), JSON.stringify(text)).to.deep.equal(ids[i]);
      }
    });
  }

  it('gives the ids of whole words, among blanks and characters that show nothing, as Hugging Face does', () => {
    const tokenizer = loadTokenizer(
      {
        json: JSON.stringify({
          normalizer: { type: 'Sequence', normalizers: [{ type: 'Nmt' }, { type: 'Lowercase' }] },
          pre_tokenizer: { type: 'WhitespaceSplit' },
          model: { type: 'WordLevel', vocab: { a: 0, ab: 1, b: 2, '[UNK]': 3, abc: 4 }, unk_token: '[UNK]' },
          added_tokens: [],
          post_processor: null,
          decoder: null,
        }),
      },
      'words',
    );
    // As tokenizers 0.23 gives them.
    const expected: readonly [string, number[]][] = [
      ['a ab abc abcd', [0, 1, 4, 3]],
      ['A\u200bB', [0, 2]],
      ['a\u0007b', [1]],
      ['ab\u2581a\u0000 b', [1, 3, 2]],
      ['a\u00a0b\u1680a', [0, 2, 0]],
      ['\u007fa\u008fb\u009f', [1]],
      ['a\ufeffb\ufffda\u2028b', [0, 2, 0, 2]],
      ['b\tab\r\nb', [2, 1, 2]],
      ['aba', [3]],
    ];
    for (const [text, ids] of expected)
      expect(tokenizer.encode(text, unlimited), JSON.stringify(text)).to.deep.equal(ids);
  });

  it('takes off the accents that Hugging Face takes off, and leaves those that came later', () => {
    const texts = [
      'a\u0301b',
      'a\u07fdb',
      'a\u08d4b',
      'a\u0afab',
      'a\u1ab0b',
      'a\u1abfb',
      'a\u{1e944}b',
      'a\u0c00b',
    ];
    // As tokenizers 0.23 gives them, by strip_accents; null is what lowercase is.
    for (const [strips, lowercase, expected] of [
      [null, true, [1, 0, 0, 0, 1, 0, 0, 1]],
      [true, false, [1, 0, 0, 0, 1, 0, 0, 1]],
      [null, false, [0, 0, 0, 0, 0, 0, 0, 0]],
      [false, true, [0, 0, 0, 0, 0, 0, 0, 0]],
    ] as const) {
      const json = JSON.stringify({
        normalizer: {
          type: 'BertNormalizer',
          clean_text: true,
          handle_chinese_chars: true,
          strip_accents: strips,
          lowercase,
        },
        pre_tokenizer: { type: 'BertPreTokenizer' },
        model: {
          ...{
            type: 'WordPiece',
            unk_token: '[UNK]',
            continuing_subword_prefix: '##',
            max_input_chars_per_word: 100,
          },
          vocab: { '[UNK]': 0, ab: 1, a: 2, '##b': 3, b: 4 },
        },
        ...{ added_tokens: [], post_processor: null, decoder: null },
      });
      const tokenizer = loadTokenizer({ json }, 'accents');
      expect(texts.map((text) => tokenizer.encode(text, unlimited))).to.deep.equal(
        expected.map((id) => [id]),
      );
    }
  });

  it('writes what a Unigram vocabulary lacks as bytes, where it is to fall back on them', () => {
    const vocab = ['<unk>', '▁', 'a', '▁ab', '<0xC3>', '<0xA9>', '<0xA8>', 'b'].map((token, i) => [
      token,
      [0, -1, -1.5, -2, 0, 0, 0, -3][i],
    ]);
    const json = {
      normalizer: null,
      pre_tokenizer: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true },
      model: { type: 'Unigram', vocab, unk_id: 0, byte_fallback: true },
      added_tokens: [],
      post_processor: null,
      decoder: null,
    };
    const { encode } = loadTokenizer({ json: JSON.stringify(json) }, 'bytes');
    // As tokenizers 0.23 gives them.
    const expected: readonly [string, number[]][] = [
      ['ab é', [3, 1, 4, 5]],
      ['éè a', [1, 4, 5, 4, 6, 1, 2]],
      ['aéb', [1, 2, 4, 5, 7]],
      ['ab €', [3, 1, 0]],
      ['a€é€b', [1, 2, 0, 7]],
    ];
    for (const [text, ids] of expected) expect(encode(text, unlimited), text).to.deep.equal(ids);
  });

  it('divides at the marks for blanks, where Metaspace is to, and joins however many unknown characters', () => {
    const idsBy = (split: boolean): ((text: string, maxLength: number) => number[]) =>
      loadTokenizer(
        {
          json: JSON.stringify({
            ...{ normalizer: null, added_tokens: [], post_processor: null, decoder: null },
            pre_tokenizer: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split },
            model: {
              ...{ type: 'Unigram', unk_id: 0 },
              vocab: ['<unk>', '▁', 'a', '▁a', '▁a▁a', '▁▁'].map((token, i) => [
                token,
                i === 0 ? 0 : -1 - i / 8,
              ]),
            },
          }),
        },
        'marks',
      ).encode;
    // As tokenizers 0.23 gives them.
    expect(idsBy(true)('a a  a', unlimited)).to.deep.equal([3, 3, 1, 3]);
    expect(idsBy(false)('a a  a', unlimited)).to.deep.equal([4, 1, 3]);
    expect(idsBy(true)(`a${'ก'.repeat(150_000)} a`, unlimited)).to.deep.equal([3, 0, 3]);
  });

  // The ids are those of tokenizers 0.23.
  const splits: readonly [name: string, parts: object, expected: readonly [string, number[]][]][] = [
    [
      'words and what is between',
      { pre_tokenizer: { type: 'Whitespace' } },
      [
        ['été a..', [12, 2, 4]],
        ['猫。a', [10, 0, 2]],
        ['a\u0085b', [2, 9]],
        ['٣ é.', [14, 1, 3]],
      ],
    ],
    [
      'blanks',
      { pre_tokenizer: { type: 'WhitespaceSplit' } },
      [
        ['\ufeff a', [13, 2]],
        ['a\u0085b', [2, 9]],
        ['a. 猫', [11, 10]],
      ],
    ],
    [
      'punctuation',
      { pre_tokenizer: { type: 'Sequence', pretokenizers: [{ type: 'Punctuation', behavior: 'Isolated' }] } },
      [
        ['a..b', [2, 3, 3, 9]],
        ['a。', [2, 0]],
      ],
    ],
    [
      'numbers',
      { pre_tokenizer: { type: 'Digits', individual_digits: false } },
      [
        ['a12b', [2, 5, 9]],
        ['a½', [2, 8]],
        ['٣a', [14, 2]],
      ],
    ],
    [
      'digits',
      { pre_tokenizer: { type: 'Digits', individual_digits: true } },
      [
        ['a12b', [2, 6, 7, 9]],
        ['½٣', [8, 14]],
      ],
    ],
    [
      'what is left of blanks at the ends',
      { normalizer: { type: 'Strip', strip_left: true, strip_right: true } },
      [
        ['\u0085a\u3000', [2]],
        ['\ufeff', [13]],
      ],
    ],
  ];
  for (const [name, parts, expected] of splits) {
    it(`tells blanks, letters, punctuation and digits as Unicode does: ${name}`, () => {
      const tokens = [
        '[UNK]',
        'é',
        'a',
        '.',
        '..',
        '12',
        '1',
        '2',
        '½',
        'b',
        '猫',
        'a.',
        'été',
        '\ufeff',
        '٣',
      ];
      const vocab = Object.fromEntries(tokens.map((token, id) => [token, id]));
      const json = JSON.stringify({
        ...{ normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null, added_tokens: [] },
        ...parts,
        model: { type: 'WordLevel', vocab, unk_token: '[UNK]' },
      });
      const tokenizer = loadTokenizer({ json }, 'words');
      for (const [text, ids] of expected)
        expect(tokenizer.encode(text, unlimited), JSON.stringify(text)).to.deep.equal(ids);
    });
  }

  // The ids are those of tokenizers 0.23, of `a..a`, `.a...` and `aab`.
  const dots = (behavior: string, invert: boolean): object => ({
    ...{ type: 'Split', pattern: { Regex: '\\.' }, behavior, invert },
  });
  const divisions: readonly [preTokenizer: object, expected: readonly number[][]][] = [
    [{ ...dots('Removed', false), pattern: { String: '.' } }, [[1, 1], [1], [0]]],
    [dots('Isolated', true), [[1, 2, 2, 1], [2, 1, 2, 2, 2], [0]]],
    [dots('Contiguous', false), [[1, 3, 1], [2, 1, 7], [0]]],
    [dots('Contiguous', true), [[1, 3, 1], [2, 1, 7], [0]]],
    [dots('MergedWithPrevious', false), [[4, 2, 1], [2, 4, 2, 2], [0]]],
    [dots('MergedWithPrevious', true), [[1, 2, 5], [5, 2, 2, 2], [0]]],
    [dots('MergedWithNext', false), [[1, 2, 5], [5, 2, 2, 2], [0]]],
    [dots('MergedWithNext', true), [[4, 2, 1], [2, 4, 2, 2], [0]]],
    [{ type: 'Punctuation', behavior: 'Removed' }, [[1, 1], [1], [0]]],
    [{ type: 'Punctuation', behavior: 'Contiguous' }, [[1, 3, 1], [2, 1, 7], [0]]],
    [{ type: 'Punctuation', behavior: 'MergedWithPrevious' }, [[4, 2, 1], [2, 4, 2, 2], [0]]],
    [{ type: 'CharDelimiterSplit', delimiter: '.' }, [[1, 1], [1], [0]]],
    [
      { type: 'FixedLength', length: 2 },
      [
        [4, 5],
        [5, 3, 2],
        [6, 8],
      ],
    ],
  ];
  for (const [preTokenizer, expected] of divisions) {
    const { type, behavior, invert } = preTokenizer as Readonly<Record<string, unknown>>;
    it(`divides texts as Hugging Face does: ${[type, behavior, invert && 'inverted'].filter(Boolean).join(', ')}`, () => {
      const tokens = ['[UNK]', 'a', '.', '..', 'a.', '.a', 'aa', '...', 'b'];
      const json = JSON.stringify({
        ...{ normalizer: null, post_processor: null, decoder: null, added_tokens: [] },
        pre_tokenizer: { type: 'Sequence', pretokenizers: [preTokenizer] },
        model: {
          ...{ type: 'WordLevel', unk_token: '[UNK]' },
          vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
        },
      });
      const tokenizer = loadTokenizer({ json }, 'dots');
      const ids = ['a..a', '.a...', 'aab'].map((text) => tokenizer.encode(text, unlimited));
      expect(ids).to.deep.equal(expected);
    });
  }

  // The ids are those of tokenizers 0.23.
  const wholeWords: readonly [text: string, plain: readonly number[], lowered: readonly number[]][] = [
    ['Bar x', [12, 1], [12, 1]],
    ['x-Bar', [1, 8, 12], [1, 8, 12]],
    ['xBar', [1, 7, 3, 4], [0]],
    ['Barx', [2, 3, 4, 10], [9, 3, 4, 10]],
    ['FooBar', [14, 2, 3, 4], [14, 9, 3, 4]],
    ['Fooqu', [14, 13], [14, 13]],
    ['qu Bxqu', [13, 2, 10, 11, 6], [13, 9, 10, 11, 6]],
    ['QU B', [0, 2], [13, 9]],
    ['quqqu', [5, 6, 11, 11, 6], [5, 6, 11, 11, 6]],
  ];
  for (const [how, normalizer] of [
    ['as they are', null],
    ['in lower case', { type: 'Lowercase' }],
  ] as const) {
    it(`finds added tokens that must be single words in no longer words, as Hugging Face does: texts ${how}`, () => {
      const pieces = ['[UNK]', 'x', 'B', '##a', '##r', 'q', '##u', '##B', '-', 'b', '##x', '##q'];
      const added = { lstrip: false, rstrip: false, special: false };
      const json = JSON.stringify({
        ...{ normalizer, post_processor: null, decoder: null, pre_tokenizer: { type: 'Whitespace' } },
        added_tokens: [
          { ...added, id: 12, content: 'Bar', single_word: true, normalized: false },
          { ...added, id: 13, content: 'qu', single_word: true, normalized: true },
          { ...added, id: 14, content: 'Foo', single_word: false, normalized: false },
        ],
        model: {
          ...{ type: 'WordPiece', unk_token: '[UNK]', continuing_subword_prefix: '##' },
          max_input_chars_per_word: 100,
          vocab: Object.fromEntries(pieces.map((piece, id) => [piece, id])),
        },
      });
      const tokenizer = loadTokenizer({ json }, 'words');
      for (const [text, plain, lowered] of wholeWords)
        expect(tokenizer.encode(text, unlimited), text).to.deep.equal(normalizer ? lowered : plain);
    });
  }

  it('gives its ids for questions and odd Unicode with 30522 tokens, cut or whole', function () {
    if (!existsSync(minilm)) return this.skip();
    const tokenizer = loadTokenizer({ json: readFileSync(minilm, 'utf8') }, minilm);
    for (const [i, text] of fixture.minilm.texts.entries()) {
      expect(tokenizer.encode(text, unlimited), JSON.stringify(text)).to.deep.equal(fixture.minilm.ids[i]);
      expect(tokenizer.encode(text, 8)).to.deep.equal(fixture.minilm.truncated[i]);
    }
    expect(tokenizer).to.include({ padId: 0, limit: 128, highestId: 30521, frameLength: 2 });
  });

  it('cuts before the tokens at the end, and reads no more of a long text than it needs', () => {
    const tokenizer = loadTokenizer({ json: tinyTokenizer() }, 'tiny');
    const long = 'the good card, '.repeat(70_000);
    const began = performance.now();
    const ids = tokenizer.encode(long, 16);
    expect(performance.now() - began).to.be.below(100);
    expect(ids).to.have.length(16);
    expect([ids[0], ids.at(-1)]).to.deep.equal([2, 3]);
    expect(ids).to.deep.equal([...tokenizer.encode(long.slice(0, 300), unlimited).slice(0, 15), 3]);
    const blank = `${' '.repeat(100_000)}card${'\n'.repeat(100_000)}lost`;
    expect(tokenizer.encode(blank, 16)).to.deep.equal(tokenizer.encode('card lost', 16));
  });

  it('cuts off the beginning where the tokenizer says so, as Hugging Face does', () => {
    const text = 'the good card is bad, my film was great';
    const cutBy = (direction: string, config?: object): number[] => {
      const json = JSON.stringify({ ...JSON.parse(tinyTokenizer()), truncation: { direction } });
      return loadTokenizer({ json, config: config && JSON.stringify(config) }, 'tiny').encode(text, 6);
    };
    // As tokenizers 0.23 gives them.
    expect(cutBy('Left')).to.deep.equal([2, 6, 14, 8, 19, 3]);
    expect(cutBy('Right', { truncation_side: 'left' })).to.deep.equal([2, 6, 14, 8, 19, 3]);
    expect(cutBy('Left', { truncation_side: 'right' })).to.deep.equal([2, 4, 17, 15, 7, 3]);
  });

  const broken: readonly [what: string, json: string, message: RegExp][] = [
    ['no JSON', '{"model":', /tok\.json cannot be used as a tokenizer: it is not JSON/],
    ['a list', '[]', /it holds no object/],
    ['nothing', '{}', /it has no model with a vocabulary/],
    [
      'another kind of model',
      '{"model":{"type":"Magic","vocab":{}}}',
      /its model is "Magic"; WordPiece, BPE, Unigram and WordLevel/,
    ],
    ['a vocabulary that is none', '{"model":{"type":"BPE","vocab":7}}', /no model with a vocabulary/],
    [
      'merges that are none',
      '{"model":{"type":"BPE","vocab":{"a":0},"merges":7}}',
      /cannot be used as a tokenizer/,
    ],
    [
      'an empty vocabulary',
      '{"model":{"type":"WordPiece","vocab":{},"unk_token":"[UNK]"}}',
      /cannot be used/,
    ],
    [
      'an unknown step',
      tinyTokenizer().replace('BertPreTokenizer', 'Nonsense'),
      /cannot be used as a tokenizer/,
    ],
  ];
  for (const [what, json, message] of broken) {
    it(`is refused in one sentence where the file holds ${what}`, () => {
      expect(() => loadTokenizer({ json }, 'tok.json'))
        .to.throw(message)
        .with.property('code', 'INVALID_TOKENIZER');
    });
  }
});
