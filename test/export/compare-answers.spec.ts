import { expect } from 'chai';
import { compareAnswers, judgeRounding } from '../../src/export/compare-answers.js';
import { compareOutputs } from '../../src/export/compare-outputs.js';
import type { TaskKind } from '../../src/tasks/task.js';

function compare(task: TaskKind, found: readonly number[], expected: readonly number[], examples: number) {
  const name = task === 'regression' ? 'values' : 'probabilities';
  const [own, other] = [found, expected].map((values) => new Map([[name, Float32Array.from(values)]]));
  return compareAnswers([own!], other!, examples, { task, meanAbsDiff: 0.1 });
}

describe('a file that is meant to differ', () => {
  it('is right by the mean difference, whatever the largest one, and tells how many classes are the same', () => {
    const { isRight, maxAbsDiff, meanAbsDiff, agreement } = compare(
      'single',
      [0.4, 0.6, 0.9, 0.1, 0.2, 0.8],
      [0.6, 0.4, 0.9, 0.1, 0.2, 0.8],
      3,
    );
    expect(isRight).to.equal(true);
    expect(maxAbsDiff).to.be.closeTo(0.2, 1e-6);
    expect(meanAbsDiff).to.be.closeTo(0.4 / 6, 1e-6);
    expect(agreement).to.be.closeTo(2 / 3, 1e-9);
  });

  it('is wrong above the mean that is allowed', () => {
    expect(compare('single', [0.4, 0.6], [0.6, 0.4], 1).isRight).to.equal(false);
  });

  it('is wrong where fewer answers stay than must, though the mean over very many classes is small', () => {
    const rows = (...best: number[]) => {
      const values = Float32Array.from({ length: 100 * best.length }, (_, i) =>
        i % 100 === best[(i / 100) | 0] ? 1 : 0,
      );
      return new Map([['probabilities', values]]);
    };
    const compareWith = (agreement: number, ...best: number[]) =>
      compareAnswers([rows(...best)], rows(0, 0, 0, 0), 4, { task: 'single', meanAbsDiff: 0.05, agreement });
    expect(compareWith(0, 1, 1, 1, 1).isRight).to.equal(true);
    expect(compareWith(0.8, 0, 0, 1, 1)).to.deep.include({ isRight: false, agreement: 0.5 });
    // Of four examples, three are as near to four of five as can be.
    expect(compareWith(0.8, 0, 0, 0, 1).isRight).to.equal(true);
  });

  it('compares sets of labels at a half', () => {
    expect(compare('multi', [0.49, 0.9, 0.1, 0.9], [0.51, 0.9, 0.1, 0.9], 2).agreement).to.equal(0.5);
  });

  it('measures numbers relative to their size, and has no answers of them to count', () => {
    const compared = compare('regression', [1010, 0.05], [1000, 0], 2);
    expect(compared.meanAbsDiff).to.be.closeTo((0.01 + 0.05) / 2, 1e-6);
    expect(compared).to.not.have.property('agreement');
  });

  it('is never right without numbers, or with too few', () => {
    for (const found of [[Number.NaN, 0.4], [0.6]]) {
      const { isRight, meanAbsDiff } = compare('single', found, [0.6, 0.4], 1);
      expect(isRight).to.equal(false);
      expect(meanAbsDiff).to.be.NaN;
    }
  });
});

describe('a file that rounding takes far from the CPU, backbone and head too', () => {
  const outputs = (...values: number[]) =>
    new Map([
      ['logits', Float32Array.from(values, (value) => 100 * value)],
      ['probabilities', Float32Array.from(values)],
    ]);
  const judge = (found: readonly number[], byOwn: readonly number[]) => {
    const byCpu = outputs(0.5, 0.7, 0.3, 0.2);
    const compared = compareOutputs([outputs(...found)], byCpu, outputs(...byOwn));
    return judgeRounding(compared, [outputs(...found)], byCpu, { examples: 2, task: 'single' });
  };

  it('is right where the answers stay, which is told beside how far it is', () => {
    const judged = judge([0.49, 0.7, 0.31, 0.2], [0.49, 0.7, 0.3, 0.2]);
    expect(judged).to.include({ isRight: true, agreement: 1 });
    expect(judged.rounding).to.be.closeTo(0.02, 1e-3);
    expect(judged.fromCpu).to.be.greaterThan(0.02);
  });

  it('is wrong where they do not, or where rounding does not explain it', () => {
    const other = judge([0.9, 0.1, 0.1, 0.9], [0.91, 0.09, 0.1, 0.9]);
    expect(other).to.include({ isRight: false, agreement: 0 });
    expect(judge([0.3, 0.7, 0.3, 0.2], [0.49, 0.7, 0.3, 0.2])).to.include({ isRight: false });
  });
});
