import { expect } from 'chai';
import { takenToken } from '../../src/graph/taken-token.js';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import { decodeModel } from '../../src/onnx/read-model.js';
import { float32 } from '../../src/tensor/tensor.js';
import { type BertOptions, randomBert } from '../text/random-bert.js';

describe('The token that a text model takes at its end', () => {
  const takenOf = (options: BertOptions) =>
    takenToken(decodeModel(randomBert(options), { path: 'tiny.onnx' }));

  it('is the last one where its place is read off the mask, before or after the layer of scores', () => {
    expect(takenOf({ inputs: ['mask'], isCausal: true, takesLast: 'scores' })).to.equal('last');
    expect(takenOf({ inputs: ['mask'], isCausal: true, takesLast: 'token' })).to.equal('last');
  });

  it('is none where all of them are given, or scored', () => {
    expect(takenOf({})).to.equal(undefined);
    expect(takenOf({ findsAnswers: true })).to.equal(undefined);
  });

  it('is none where the first one is taken, or words are looked up in a table', () => {
    const end = (of: (b: GraphBuilder, words: string, ids: string) => string) => {
      const b = new GraphBuilder();
      const ids = b.input('input_ids', 'int64', ['batch', 'tokens']);
      const words = b.op('Gather', [b.constant('table', float32([9, 4], new Float32Array(36))), ids]);
      b.output(of(b, words, ids), 'float32', undefined, 'logits');
      return takenToken(b.model());
    };
    expect(end((b, words) => b.op('Gather', [words, b.ints([0])], { attributes: { axis: 1 } }))).to.equal(
      undefined,
    );
    expect(end((b, words) => b.op('Squeeze', [words, b.ints([1])]))).to.equal(undefined);
  });

  it('is not looked for by operators that the model has not', () => {
    const model = decodeModel(randomBert({ inputs: ['mask'], takesLast: 'scores' }), { path: 'tiny.onnx' });
    expect(takenToken({ ...model, opsets: new Map([['', 11]]) })).to.equal(undefined);
  });
});
