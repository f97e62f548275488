import { expect } from 'chai';
import { silentLogger } from '../../src/logger.js';
import { foldsOfSearch } from '../../src/pipeline/folds-of-search.js';
import type { TaskKind } from '../../src/tasks/task.js';
import type { Targets } from '../../src/tasks/targets.js';

describe('The folds of a search', () => {
  const classes = (...labels: number[]): Targets => ({
    rows: labels.length,
    classes: ['few', 'many'],
    labels: Int32Array.from(labels),
  });
  const numbers = (rows: number): Targets => ({
    ...{ rows, classes: ['weight'], labels: new Int32Array(0) },
    targets: Float32Array.from({ length: rows }, (_, row) => row),
  });
  const choose = (train: Targets, groups?: number[], task: TaskKind = 'single') => {
    const said: string[] = [];
    const logger = { ...silentLogger, warn: (sentence: string) => void said.push(sentence) };
    const given = groups && Int32Array.from(groups);
    const { foldCount, folds } = foldsOfSearch(train, given, undefined, { seed: 1, task, logger });
    expect(new Set(folds).size).to.equal(foldCount);
    return { foldCount, said };
  };
  const many = [1, 1, 1, 1, 1, 1];

  it('are five, without a word, where the smallest class has as many', () => {
    expect(choose(classes(0, 0, 0, 0, 0, ...many))).to.deep.equal({ foldCount: 5, said: [] });
  });

  it('are as many as the smallest class, the groups or the examples allow, which one sentence says', () => {
    const four = choose(classes(0, 0, 0, 0, ...many));
    expect(four.foldCount).to.equal(4);
    expect(four.said).to.deep.equal([
      'Candidates are judged on 4 folds in place of 5: the smallest class, "few", has 4 training examples.',
    ]);
    expect(choose(classes(0, 0, ...many)).foldCount).to.equal(2);
    const groups = choose(classes(0, 0, 0, 0, 0, ...many), [7, 7, 8, 8, 9, 7, 8, 9, 9, 7, 8]);
    expect(groups.foldCount).to.equal(3);
    expect(groups.said.join()).to.match(/there are 3 groups of training examples/);
    const amounts = choose(numbers(9), undefined, 'regression');
    expect(amounts.foldCount).to.equal(4);
    expect(amounts.said.join()).to.match(/there are 9 training examples/);
  });

  it('leave none with a single amount, on which there is no R², where a group takes most of the examples', () => {
    const { foldCount, said } = choose(numbers(10), [0, 0, 0, 0, 0, 0, 1, 2, 3, 4], 'regression');
    expect(foldCount).to.equal(3);
    expect(said.join()).to.match(/R²/);
  });

  it('are said to judge a class that was not learned, where all its examples belong together', () => {
    const { said } = choose(classes(0, 0, 0, 0, 0, ...many), [1, 1, 1, 1, 1, 2, 3, 4, 5, 6, 7]);
    expect(said).to.have.lengthOf(1);
    expect(said[0]).to.match(/^All training examples of few belong together and lie in one fold/);
  });

  it('are refused where even two are too many', () => {
    expect(() => choose(classes(0, ...many))).to.throw(/"few" has 1; add examples or leave the class out/);
    expect(() => choose(numbers(3), undefined, 'regression')).to.throw(/but there are 3; add examples/);
    expect(() => choose(classes(0, 0, ...many), [1, 1, 1, 1, 1, 1, 1, 1])).to.throw(/finer groups/);
  });
});
