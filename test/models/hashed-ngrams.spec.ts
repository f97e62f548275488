import { expect } from 'chai';
import { openTextEncoder } from '../../src/inputs/encode-texts.js';
import type { TokenSpec } from '../../src/models/input-spec.js';
import { findTokenInputs } from '../../src/graph/find-token-inputs.js';
import { buildHashedNgrams } from '../../src/models/hashed-ngrams.js';
import { encodeModel } from '../../src/onnx/write-model.js';
import { openSession } from '../../src/runtime/open-session.js';
import type { Session } from '../../src/runtime/session.js';

const wordWidth = 1024;

describe('The built-in text backbone', () => {
  const model = buildHashedNgrams();
  const spec: TokenSpec = {
    kind: 'tokens',
    tokenizer: { json: model.metadata.get('graft.tokenizer')! },
    maxLength: 1024,
    padId: 0,
    inputs: findTokenInputs(model.graph)!,
  };
  const encoder = openTextEncoder(spec);
  let session: Session;
  before(async () => {
    session = await openSession(encodeModel(model), { threads: 1 });
  });
  after(() => session.release());

  /** In the order of the texts. */
  async function featuresOf(...texts: string[]): Promise<Float32Array[]> {
    const arranged = encoder.arrange(texts.map((text) => encoder.tokensOf(Buffer.from(text))));
    const { 'ngrams/features': features } = await session.run(arranged.feeds(0, texts.length));
    const dim = features!.dims[1]!;
    const rows: Float32Array[] = [];
    for (let place = 0; place < texts.length; place++)
      rows[arranged.order[place]!] = (features!.data as Float32Array).slice(place * dim, (place + 1) * dim);
    return rows;
  }
  const wordsOf = (row: Float32Array): Float32Array => row.subarray(0, wordWidth);
  const lettersOf = (row: Float32Array): Float32Array => row.subarray(wordWidth);
  const cosine = (a: Float32Array, b: Float32Array): number =>
    a.reduce((sum, value, i) => sum + value * b[i]!, 0);

  it('makes bytes of a text in lower case into tokens', () => {
    expect(encoder.tokensOf(Buffer.from('aZ é')).ids).to.deep.equal([98, 123, 33, 0xc3 + 1, 0xa9 + 1]);
    expect(encoder.tokensOf(Buffer.from('x'.repeat(3000))).ids).to.have.length(1024);
  });

  it('knows a word wherever it stands, whatever is around it', async () => {
    const [a, b, c, d] = await featuresOf('lost card', 'CARD, lost!', 'card', '  ...my (card)');
    for (const [i, value] of wordsOf(a!).entries()) expect(wordsOf(b!)[i]).to.be.closeTo(value, 1e-6);
    // One of two words, each of length 1 and nearly at right angles.
    expect(cosine(wordsOf(a!), wordsOf(c!))).to.be.closeTo(Math.SQRT1_2, 0.1);
    expect(cosine(wordsOf(c!), wordsOf(d!))).to.be.closeTo(Math.SQRT1_2, 0.1);
  });

  it('keeps the angles between counts of words', async () => {
    const sentences = ['a a b', 'a b b', 'c d e f', 'a b c d'];
    const rows = await featuresOf(...sentences);
    const counts = sentences.map((text) =>
      'abcdef'.split('').map((word) => text.split(' ').filter((w) => w === word).length),
    );
    for (const [i, one] of counts.entries()) {
      for (const [j, other] of counts.entries()) {
        const dot = one.reduce((sum, value, k) => sum + value * other[k]!, 0);
        const expected = dot / Math.hypot(...one) / Math.hypot(...other);
        expect(cosine(wordsOf(rows[i]!), wordsOf(rows[j]!)), `${i} ${j}`).to.be.closeTo(expected, 0.15);
      }
    }
  });

  it('finds words alike that share runs of letters', async () => {
    const [a, b, c] = await featuresOf('transferring', 'transferred', 'exchange');
    expect(cosine(lettersOf(a!), lettersOf(b!))).to.be.above(0.5);
    expect(Math.abs(cosine(lettersOf(a!), lettersOf(c!)))).to.be.below(0.2);
    expect(Math.abs(cosine(wordsOf(a!), wordsOf(b!)))).to.be.below(0.2);
  });

  it('gives a text the same features alone as among longer ones', async () => {
    const texts = ['hi', 'a longer text that is about a card', 'é', 'x '.repeat(500)];
    const together = await featuresOf(...texts);
    for (const [i, text] of texts.entries()) {
      const [alone] = await featuresOf(text);
      for (const [k, value] of alone!.entries()) expect(together[i]![k]).to.be.closeTo(value, 1e-5);
    }
  });
});
