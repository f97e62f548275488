import { expect } from 'chai';
import { crossValidateHead } from '../../src/pipeline/cross-validate-head.js';
import { createRng } from '../../src/rng.js';
import type { FeatureSet } from '../../src/train/feature-set.js';
import { trainHead } from '../../src/train/train-head.js';
import type { TrainOptions } from '../../src/train/train-options.js';
import { stackViews, withoutViews } from '../../src/train/views.js';

const dim = 5;
const rows = 90;
const rng = createRng(4);

/** Three overlapping clouds; a view is the same cloud with other noise. */
function draw(noise: number): Float32Array {
  return Float32Array.from(
    { length: rows * dim },
    (_, i) => 0.8 * Number(Math.floor(i / dim) % 3 === i % dim) + noise * rng.normal(),
  );
}
const plain: FeatureSet = {
  features: draw(0.6),
  dim,
  rows,
  labels: Int32Array.from({ length: rows }, (_, row) => row % 3),
  classes: ['a', 'b', 'c'],
};
const views = [draw(0.6), draw(0.6)];

describe('Training on views', () => {
  const train = (set: FeatureSet, options: TrainOptions = {}) =>
    trainHead(set, undefined, { threads: 1, ...options });

  it('stacks them below the examples as they are, and finds those again', () => {
    const stacked = stackViews(plain, views);
    expect(stacked).to.include({ rows: 3 * rows, views: 3 });
    expect([...stacked.labels.subarray(rows, 2 * rows)]).to.deep.equal([...plain.labels]);
    expect(stacked.features.subarray(2 * rows * dim)).to.deep.equal(views[1]);
    const { features, labels } = withoutViews(stacked);
    expect(features).to.deep.equal(plain.features);
    expect(labels).to.deep.equal(plain.labels);
    expect(stackViews(plain, [])).to.equal(plain);
  });

  it('weighs each view by its share in L-BFGS: equal views change nothing', async () => {
    const once = await train(plain);
    const thrice = await train(stackViews(plain, [plain.features, plain.features]));
    expect(thrice.objective).to.be.closeTo(once.objective, 1e-6 * once.objective);
    expect(thrice.train.loss).to.be.closeTo(once.train.loss, 1e-4);
    const last = thrice.history.at(-1)!;
    expect(last.objective).to.be.closeTo(once.objective, 1e-5 * once.objective);
  });

  it('minimises the mean over the views: as much as all rows with the penalty so many times', async () => {
    const stacked = stackViews(plain, views);
    const asRows: FeatureSet = { ...stacked, views: 1 };
    const byViews = await train(stacked, { l2: 2 });
    const byRows = await train(asRows, { l2: 6 });
    expect(3 * byViews.objective).to.be.closeTo(byRows.objective, 1e-6 * byRows.objective);
    const weights = [byViews, byRows].map(
      ({ head }) => [...head.parameters.values()][0]!.data as Float32Array,
    );
    for (const [i, w] of weights[0]!.entries()) expect(w).to.be.closeTo(weights[1]![i]!, 1e-3);
    expect(byViews.train.loss, 'of the plain rows').not.to.be.closeTo(byRows.train.loss, 1e-6);
  });

  for (const solver of ['adamw', 'sgd'] as const) {
    it(`takes one view of each example an epoch in ${solver}, drawn anew and by the seed`, async () => {
      const options = { solver, epochs: 8, batch: 16, lr: 0.01 };
      const run = (set: FeatureSet, seed = 1) => train(set, { ...options, seed });
      const [a, again, b] = [
        await run(stackViews(plain, views)),
        await run(stackViews(plain, views)),
        await run(stackViews(plain, views), 2),
      ];
      expect(a.history).to.deep.equal(again.history);
      expect(a.history).not.to.deep.equal(b.history);
      // Views that are alike cannot be told from none, but for the order that the draws leave behind.
      const alike = await run(stackViews(plain, [plain.features]));
      const none = await run(plain);
      expect(alike.train.loss).to.be.closeTo(none.train.loss, 0.02);
      // An example that is wrong as it is, and right in its views, is learned from these.
      const flipped = { ...plain, features: plain.features.map((value) => -value) };
      const learned = await run(stackViews(flipped, [plain.features, plain.features, plain.features]));
      expect(learned.train.accuracy!).to.be.below(0.4);
    });
  }

  for (const solver of ['lbfgs', 'adamw'] as const) {
    it(`cross-validates ${solver} on all views of the other folds and on the fold as it is`, async () => {
      const folds = Int32Array.from({ length: rows }, (_, row) => Math.floor(row / 3) % 3);
      const training = { solver, batch: 16, lr: 0.01, threads: 1 };
      const { crossValidation: judged } = await crossValidateHead(
        { train: stackViews(plain, views), folds, foldCount: 3, training, stoppedAt: 5 },
        {},
      );
      for (let fold = 0; fold < 3; fold++) {
        const choose = (from: Float32Array, isHeld: boolean) =>
          from.filter((_, i) => (folds[Math.floor(i / dim)] === fold) === isHeld);
        const part = (isHeld: boolean): FeatureSet => ({
          ...plain,
          rows: isHeld ? rows / 3 : (2 * rows) / 3,
          features: choose(plain.features, isHeld),
          labels: plain.labels.filter((_, row) => (folds[row] === fold) === isHeld),
        });
        const others = stackViews(
          part(false),
          views.map((view) => choose(view, false)),
        );
        const epochs = solver === 'adamw' && { epochs: 5, patience: Number.POSITIVE_INFINITY };
        const { history, validation } = await trainHead(others, part(true), { ...training, ...epochs });
        const alone = solver === 'adamw' ? history.at(-1)!.validation! : validation!;
        // The folds of L-BFGS go through one sweep, to the same optimum.
        const near = solver === 'lbfgs' ? 1e-3 : 1e-9;
        expect(judged.loss.perFold[fold], `fold ${fold}`).to.be.closeTo(alone.loss, near);
        expect(judged.accuracy!.perFold[fold]).to.equal(alone.accuracy);
      }
    });
  }
});
