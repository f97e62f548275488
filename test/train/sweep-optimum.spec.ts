import { expect } from 'chai';
import { assignFolds } from '../../src/dataset/assign-folds.js';
import { factorize } from '../../src/optim/cholesky.js';
import { createRng } from '../../src/rng.js';
import type { FeatureSet } from '../../src/train/feature-set.js';
import { selectRows } from '../../src/train/select-rows.js';
import { sweepOptimum } from '../../src/train/sweep-optimum.js';
import { trainHead } from '../../src/train/train-head.js';
import { stackViews } from '../../src/train/views.js';

/** Correlated features of very different sizes, so that penalties, scalings and the basis matter. */
function drawSet(rows: number, dim: number, classCount: number): FeatureSet {
  const rng = createRng(3);
  const features = new Float32Array(rows * dim);
  const labels = new Int32Array(rows);
  for (let row = 0; row < rows; row++) {
    labels[row] = row % classCount;
    const common = rng.normal();
    for (let d = 0; d < dim; d++) {
      const signal = d % classCount === labels[row] ? 0.8 : 0;
      features[row * dim + d] = 10 ** ((d % 5) - 2) * (1 + signal + 2 * common + rng.normal());
    }
  }
  const classes = Array.from({ length: classCount }, (_, c) => `c${c}`);
  return { rows, dim, features, labels, classes };
}

describe('A sweep over penalties and folds', () => {
  const foldCount = 3;
  for (const { classCount, standardize, viewCount } of [
    { classCount: 4, standardize: true, viewCount: 1 },
    { classCount: 4, standardize: false, viewCount: 1 },
    { classCount: 2, standardize: true, viewCount: 1 },
    { classCount: 4, standardize: true, viewCount: 3 },
    { classCount: 2, standardize: false, viewCount: 2 },
  ]) {
    const title = `${classCount} classes, ${viewCount} view(s), features ${standardize ? 'standardised' : 'as they are'}`;
    it(`finds the optimum of each fold that a fit of its own finds: ${title}`, async () => {
      const plain = drawSet(150, 24, classCount);
      const noise = createRng(8);
      const views = Array.from({ length: viewCount - 1 }, () =>
        plain.features.map((value) => value * (1 + 0.3 * noise.normal())),
      );
      const train = stackViews(plain, views);
      const folds = assignFolds(plain.labels, classCount, foldCount, { seed: 2 });
      const penalties = [100, 10, 0.1];
      const swept = await sweepOptimum({
        train,
        folds,
        foldCount,
        l2: penalties,
        head: { kind: 'linear' },
        task: 'single',
        standardize,
        threads: 1,
      });
      const rows = Array.from(folds.keys());
      for (const [fold, l2] of penalties.entries()) {
        const part = (of: Float32Array, isHeld: boolean): FeatureSet =>
          selectRows(
            { ...plain, features: of },
            rows.filter((row) => (folds[row] === fold) === isHeld),
          );
        const kept = stackViews(
          part(plain.features, false),
          views.map((view) => part(view, false).features),
        );
        // Standardised by its own training rows: what the sweep must not take from those held out.
        const alone = await trainHead(kept, part(plain.features, true), { l2, standardize, threads: 1 });
        const found = swept.get(l2)![fold]!;
        expect(found.objective / alone.objective - 1, `λ ${l2}, fold ${fold}`).to.be.within(-1e-6, 1e-6);
        expect(found.validation.loss).to.be.closeTo(alone.validation!.loss, 2e-3 * alone.validation!.loss);
        expect(found.validation.accuracy).to.be.closeTo(alone.validation!.accuracy!, 0.021);
      }
    });
  }

  it('stops where it is told to', async () => {
    const train = drawSet(60, 8, 2);
    const folds = assignFolds(train.labels, 2, 3);
    const stopped = AbortSignal.abort();
    const options = {
      train,
      folds,
      foldCount: 3,
      l2: [1],
      head: { kind: 'linear' },
      task: 'single',
    } as const;
    const error = await sweepOptimum({ ...options, standardize: true, threads: 1, signal: stopped }).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).to.have.property('code', 'INTERRUPTED');
  });
});

describe('A Cholesky factor', () => {
  const n = 9;
  const rng = createRng(4);
  const root = Float64Array.from({ length: n * n }, () => rng.normal());
  const product = (a: (i: number, k: number) => number, b: (k: number, j: number) => number) =>
    Float64Array.from({ length: n * n }, (_, at) => {
      let sum = 0;
      for (let k = 0; k < n; k++) sum += a(Math.floor(at / n), k) * b(k, at % n);
      return sum;
    });

  it('times its transpose is the matrix, and times its inverse is one', () => {
    const matrix = product(
      (i, k) => root[i * n + k]!,
      (k, j) => root[j * n + k]!,
    );
    const { lower, inverse } = factorize(matrix, n)!;
    const again = product(
      (i, k) => lower[i * n + k]!,
      (k, j) => lower[j * n + k]!,
    );
    const one = product(
      (i, k) => lower[i * n + k]!,
      (k, j) => inverse[k * n + j]!,
    );
    for (let at = 0; at < n * n; at++) {
      expect(again[at]).to.be.closeTo(matrix[at]!, 1e-12);
      expect(one[at]).to.be.closeTo(at % (n + 1) === 0 ? 1 : 0, 1e-10);
    }
  });

  it('is none of a matrix that is not positive definite', () => {
    expect(factorize(Float64Array.of(1, 0, 2, 1), 2)).to.equal(undefined);
  });
});
