import { expect } from 'chai';
import { planFeeds } from '../../src/graph/plan-feeds.js';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import { float32 } from '../../src/tensor/tensor.js';

describe('planFeeds', () => {
  for (const [tokens, expected] of [
    ['sequence_length', 8],
    [1, 1],
  ] as const) {
    it(`gives the mask of a decoder as many numbers as there are ids, ${tokens}, whatever its length is called`, () => {
      const b = new GraphBuilder();
      const ids = b.input('input_ids', 'int64', ['batch_size', tokens]);
      // As Optimum named it for models that go on from what they have seen.
      const mask = b.input('attention_mask', 'int64', ['batch_size', 'past_sequence_length + 1']);
      const embedded = b.op('Gather', [b.constant('table', float32([4, 2], new Float32Array(8))), ids]);
      b.output(embedded, 'float32', ['batch_size', tokens, 2]);
      b.output(b.op('Neg', [mask]), 'int64', ['batch_size', null]);
      const dims = [...planFeeds(b.model().graph)].map(([name, feed]) => [name, feed.dims]);
      expect(dims).to.deep.equal([
        ['input_ids', [1, expected]],
        ['attention_mask', [1, expected]],
      ]);
    });
  }
});
