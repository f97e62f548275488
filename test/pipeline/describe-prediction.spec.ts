import { expect } from 'chai';
import { describePredictions } from '../../src/cli/describe-predictions.js';
import {
  assertRankable,
  describeLeftOut,
  describePrediction,
} from '../../src/pipeline/describe-prediction.js';

const single = { labels: ['ant', 'bee', 'cat'], task: 'single' } as const;
const multi = { labels: ['ant', 'bee', 'cat'], task: 'multi' } as const;
const numbers = { labels: ['age'], task: 'regression' } as const;
const scores = Float32Array.of(0.25, 0.5, 0.25);

describe('The likeliest labels of an input', () => {
  it('come first, the earlier one of two alike, and are no more than there are', () => {
    const { top } = describePrediction('a.jpg', scores, single, 2);
    expect(top).to.deep.equal([
      { label: 'bee', score: 0.5 },
      { label: 'ant', score: 0.25 },
    ]);
    expect(describePrediction('a.jpg', scores, single, 9).top).to.have.length(3);
  });

  it('stand beside what a prediction holds without them', () => {
    for (const metadata of [single, multi]) {
      const plain = describePrediction('a.jpg', scores, metadata);
      expect(plain).not.to.have.property('top');
      const { top, ...rest } = describePrediction('a.jpg', scores, metadata, 1);
      expect(rest).to.deep.equal(plain);
      expect(top).to.deep.equal([{ label: 'bee', score: 0.5 }]);
    }
    expect(describeLeftOut('b.jpg', 'broken', single, 2)).to.have.property('top', null);
  });

  it('are a line with their probabilities', () => {
    expect(describePredictions([describePrediction('a.jpg', scores, single, 2)])).to.equal(
      'a.jpg  bee  50.0 %  ant  25.0 %',
    );
  });

  it('are refused of a model that predicts numbers', () => {
    expect(() => assertRankable({ top: 3, model: 'm.onnx' }, numbers)).to.throw(
      /--top lists the likeliest labels, but m\.onnx predicts numbers/,
    );
    expect(() => assertRankable({ model: 'm.onnx' }, numbers)).not.to.throw();
  });
});
