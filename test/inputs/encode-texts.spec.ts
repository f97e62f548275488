import { expect } from 'chai';
import type { TokenInputs } from '../../src/graph/token-inputs.js';
import { openTextEncoder } from '../../src/inputs/encode-texts.js';
import type { TokenSpec } from '../../src/models/input-spec.js';
import { tinyTokenizer } from '../text/random-bert.js';

const ids = { name: 'input_ids', dtype: 'int64' } as const;
const mask = { name: 'attention_mask', dtype: 'int32' } as const;
const positions = { name: 'position_ids', dtype: 'int64' } as const;

function encode(texts: readonly string[], inputs: Partial<TokenInputs> = {}) {
  const spec: TokenSpec = {
    kind: 'tokens',
    tokenizer: { json: tinyTokenizer() },
    maxLength: 8,
    padId: 0,
    inputs: { ids, ...inputs },
  };
  const encoder = openTextEncoder(spec);
  return encoder.arrange(texts.map((text) => encoder.tokensOf(Buffer.from(text))));
}

describe('Texts as a model takes them', () => {
  it('stand in the order of their lengths, filled up and masked', () => {
    const encoded = encode(['my card is lost', 'why', 'good film'], { mask, positions });
    expect(encoded.order).to.deep.equal([1, 2, 0]);
    expect(encoded.together(0, 8)).to.equal(3);
    const feeds = encoded.feeds(0, 2);
    expect(feeds.input_ids).to.include({ dtype: 'int64' });
    expect(feeds.input_ids!.dims).to.deep.equal([2, 4]);
    expect(Array.from(feeds.input_ids!.data, Number).slice(3, 4)).to.deep.equal([0]);
    expect(Array.from(feeds.attention_mask!.data, Number)).to.deep.equal([1, 1, 1, 0, 1, 1, 1, 1]);
    expect(Array.from(feeds.position_ids!.data, Number)).to.deep.equal([0, 1, 2, 3, 0, 1, 2, 3]);
  });

  it('are run with those of their own length alone where the model takes no mask', () => {
    const encoded = encode(['my card is lost', 'why', 'good film', 'bad film']);
    expect([encoded.together(0, 8), encoded.together(1, 8), encoded.together(3, 8)]).to.deep.equal([1, 2, 1]);
  });

  it('are filled up to the length that the model has', () => {
    const encoded = encode(['why', 'good film'], { fixedLength: 8 });
    expect(encoded.together(0, 8)).to.equal(2);
    expect(encoded.feeds(0, 2).input_ids!.dims).to.deep.equal([2, 8]);
  });

  it('are known to be cut where they have more tokens than the model reads', () => {
    const spec: TokenSpec = {
      kind: 'tokens',
      tokenizer: { json: tinyTokenizer() },
      maxLength: 8,
      inputs: { ids },
    };
    const { isCut, tokensOf } = openTextEncoder(spec);
    // Two marks stand around every text.
    const words = (count: number): Uint8Array => Buffer.from('why '.repeat(count));
    expect([6, 7].map((count) => tokensOf(words(count)).ids.length)).to.deep.equal([8, 8]);
    expect([1, 6, 7, 100].map((count) => isCut(words(count)))).to.deep.equal([false, false, true, true]);
  });

  it('are refused where they are no UTF-8, or the table of tokens is too short for them', () => {
    const spec: TokenSpec = {
      kind: 'tokens',
      tokenizer: { json: tinyTokenizer() },
      maxLength: 8,
      inputs: { ids, vocabulary: 10 },
    };
    const encoder = openTextEncoder(spec);
    expect(() => encoder.tokensOf(Uint8Array.of(0xff, 0x41))).to.throw('It is not UTF-8 text.');
    expect(() => encoder.tokensOf(Buffer.from('card'))).to.throw(
      /id 15 .* table of tokens has 10 rows.*does not belong/,
    );
    expect(() => encoder.tokensOf(new Uint8Array(2 ** 26 + 1))).to.throw(
      'It has 67108865 bytes, more than any text.',
    );
    expect(encoder.tokensOf(Buffer.from('my')).ids).to.deep.equal([2, 6, 3]);
  });
});
