import { expect } from 'chai';
import { createRng } from '../../src/rng.js';
import { type ExactStepOptions, measureAnchor, openExactStep } from '../../src/train/exact-step.js';
import type { FeatureSet } from '../../src/train/feature-set.js';
import { checked, type Tensor } from '../../src/tensor/tensor.js';

const [rows, dim, classes] = [300, 40, 3];
const rng = createRng(2);
const train: FeatureSet = {
  rows,
  dim,
  features: Float32Array.from({ length: rows * dim }, () => rng.normal()),
  labels: Int32Array.from({ length: rows }, () => rng.integer(classes)),
  classes: ['a', 'b', 'c'],
};
const options: Omit<ExactStepOptions, 'precision'> = {
  spec: { kind: 'linear' },
  task: 'single',
  train,
  threads: 1,
};
const weights = Float64Array.from({ length: dim * classes }, () => rng.normal());
const bias = Float64Array.from({ length: classes }, () => rng.normal());
const far = weights.map(() => rng.normal());
/** The weights and `step` times a random direction. */
function point(step: number, dtype: 'float32' | 'float64'): Map<string, Tensor> {
  const values = (from: Float64Array) => (dtype === 'float32' ? Float32Array.from(from) : from.slice());
  const moved = values(weights.map((w, i) => w + step * far[i]!));
  return new Map([
    ['head/weight', checked(dtype, [dim, classes], moved)],
    ['head/bias', checked(dtype, [classes], values(bias))],
  ]);
}

async function gradientAt(settings: ExactStepOptions, step: number) {
  const exact = await openExactStep(settings);
  const { losses, gradients } = await exact.evaluate(point(step, exact.precision));
  await exact.release();
  return { loss: losses[0]!, gradient: gradients.get('head/weight')! };
}

const largest = (a: Float64Array, b: Float64Array) =>
  a.reduce((most, ai, i) => Math.max(most, Math.abs(ai - b[i]!)), 0);

describe('An exact step in differences from an anchor', () => {
  it('agrees with float64 far better than float32 does, the better the nearer the anchor is', async () => {
    const anchor = await measureAnchor(options, point(0, 'float64'));
    for (const [step, tolerance] of [
      [1e-2, 1e-6],
      [1e-4, 1e-8],
    ] as const) {
      const wanted = await gradientAt({ ...options, precision: 'float64' }, step);
      const plain = await gradientAt({ ...options, precision: 'float32' }, step);
      const found = await gradientAt({ ...options, anchor }, step);
      expect(found.loss / wanted.loss - 1).to.be.within(-tolerance, tolerance);
      const error = largest(found.gradient, wanted.gradient);
      expect(error, `a step of ${step}`).to.be.below(tolerance);
      expect(error).to.be.below(0.05 * largest(plain.gradient, wanted.gradient));
    }
  });

  it('is exact at the anchor itself', async () => {
    const anchor = await measureAnchor(options, point(0, 'float64'));
    const wanted = await gradientAt({ ...options, precision: 'float64' }, 0);
    const found = await gradientAt({ ...options, anchor }, 0);
    expect(found.loss).to.be.closeTo(wanted.loss, 1e-12 * wanted.loss);
    expect(found.gradient).to.deep.equal(wanted.gradient);
  });
});
