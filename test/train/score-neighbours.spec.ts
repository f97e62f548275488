import { expect } from 'chai';
import { createRng } from '../../src/rng.js';
import { taskOf } from '../../src/tasks/task-of.js';
import type { FeatureSet } from '../../src/train/feature-set.js';
import { scoreNeighbours } from '../../src/train/score-neighbours.js';
import { fitStandardization } from '../../src/train/standardize.js';

const dim = 5;

function draw(rows: number, seed: number): FeatureSet {
  const rng = createRng(seed);
  const labels = Int32Array.from({ length: rows }, () => rng.integer(3));
  const features = Float32Array.from(
    { length: rows * dim },
    (_, i) => (rng.normal() + labels[Math.floor(i / dim)]! * (i % 2)) * (1 + (i % dim)),
  );
  return { rows, dim, features, labels, classes: ['a', 'b', 'c'] };
}

describe('the nearest neighbours', () => {
  it('predict as a search by hand does', async () => {
    const [train, set] = [draw(80, 1), draw(50, 2)];
    const { std } = fitStandardization(train);
    const k = 5;
    let right = 0;
    for (let row = 0; row < set.rows; row++) {
      const distances = Array.from({ length: train.rows }, (_, i) => {
        let sum = 0;
        for (let d = 0; d < dim; d++)
          sum += ((set.features[row * dim + d]! - train.features[i * dim + d]!) / std[d]!) ** 2;
        return { sum, label: train.labels[i]! };
      });
      const votes = [0, 0, 0];
      for (const { label } of distances.sort((a, b) => a.sum - b.sum).slice(0, k)) votes[label]!++;
      if (votes.indexOf(Math.max(...votes)) === set.labels[row]) right++;
    }
    const { accuracy } = await scoreNeighbours(taskOf('single'), train, set, k, 1);
    expect(accuracy).to.equal(right / set.rows);
    expect(accuracy).to.be.within(0.4, 0.95);
  });

  it('are all of them where there are fewer than asked for', async () => {
    const set = draw(4, 3);
    const { accuracy } = await scoreNeighbours(taskOf('single'), set, set, 50, 1);
    expect(accuracy).to.be.within(0, 1);
  });
});
