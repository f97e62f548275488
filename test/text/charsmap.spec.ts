/** Texts and ids by Hugging Face's own library: scripts/fixtures/make-charsmap-fixtures.py. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import { readCharsmap } from '../../src/text/charsmap.js';
import { loadTokenizer } from '../../src/text/load-tokenizer.js';

const { tokenizer, texts } = JSON.parse(
  readFileSync(path.resolve('test/text/fixtures/charsmap.json'), 'utf8'),
) as {
  readonly tokenizer: {
    readonly normalizer: { readonly normalizers: readonly { readonly precompiled_charsmap: string }[] };
  };
  readonly texts: readonly { text: string; normalized: string; ids: readonly number[] }[];
};
const [{ precompiled_charsmap: charsmap }] = tokenizer.normalizer.normalizers as [
  { precompiled_charsmap: string },
];

describe('A precompiled table of characters', () => {
  it("writes what Hugging Face's own library writes: of single characters, marks, clusters, ends of lines", () => {
    const normalize = readCharsmap(charsmap);
    for (const { text, normalized } of texts)
      expect(normalize(text), JSON.stringify(text)).to.equal(normalized);
  });

  it('gives the ids of that library, in a sequence of normalisers and alone', () => {
    const json = JSON.stringify(tokenizer);
    const loaded = loadTokenizer({ json }, 'tokenizer.json');
    for (const { text, ids } of texts)
      expect(loaded.encode(text, 1e6), JSON.stringify(text)).to.deep.equal(ids);
    const alone = { ...tokenizer, normalizer: tokenizer.normalizer.normalizers[0] };
    const { encode } = loadTokenizer({ json: JSON.stringify(alone) }, 'tokenizer.json');
    expect(encode('HELLO', 1e6)).to.deep.equal(encode('hello', 1e6));
  });

  for (const [what, damaged] of [
    ['cut off', charsmap.slice(0, 40)],
    ['no base64', '*'],
    ['empty of a trie', btoa('\0\0\0\0')],
  ] as const) {
    it(`that is ${what} is refused by the name of the file`, () => {
      const json = JSON.stringify({
        ...tokenizer,
        normalizer: { type: 'Precompiled', precompiled_charsmap: damaged },
      });
      expect(() => loadTokenizer({ json }, 'a/tokenizer.json'))
        .to.throw(/a\/tokenizer\.json cannot be used as a tokenizer/)
        .with.property('code', 'INVALID_TOKENIZER');
    });
  }

  it('of random bytes ends, whatever it makes of a text', () => {
    for (let seed = 1; seed <= 200; seed++) {
      let state = seed;
      const random = (): number => (state = (state * 48271) % 2147483647);
      const bytes = Array.from({ length: 4 + 1024 }, random);
      bytes.splice(0, 4, 0, 2, 0, 0);
      const normalize = readCharsmap(btoa(String.fromCharCode(...bytes.map((value) => value & 255))));
      for (const { text } of texts) normalize(text);
    }
  });
});
