import { expect } from 'chai';
import type { GraftError } from '../../src/errors.js';
import { createRng } from '../../src/rng.js';
import { assertMemory } from '../../src/train/assert-memory.js';
import { type ExactStepOptions, measureAnchor, openExactStep } from '../../src/train/exact-step.js';
import { trainHead } from '../../src/train/train-head.js';
import { blockRows, rowsFor } from '../../src/train/feature-blocks.js';
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
  return { loss: losses[0]!, gradient: Float64Array.from(gradients.get('head/weight')!) };
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

describe('An exact step of very many classes', () => {
  it('takes fewer rows at a time, so that a pass needs no more memory, and the sums are those of all rows', async () => {
    expect(rowsFor(1000)).to.equal(blockRows);
    const classCount = 6000;
    const many: FeatureSet = {
      rows: 1500,
      dim: 1,
      features: Float32Array.from({ length: 1500 }, (_, row) => row % 2),
      labels: Int32Array.from({ length: 1500 }, (_, row) => row % classCount),
      classes: Array.from({ length: classCount }, (_, c) => `${c}`),
    };
    expect(rowsFor(classCount)).to.be.below(many.rows);
    const exact = await openExactStep({ ...options, train: many, precision: 'float32' });
    const zeros = (dims: readonly number[]) => checked('float32', dims, new Float32Array(classCount));
    const { losses, gradients } = await exact.evaluate(
      new Map([
        ['head/weight', zeros([1, classCount])],
        ['head/bias', zeros([classCount])],
      ]),
    );
    await exact.release();
    // At weights of zero every class has the same probability.
    expect(losses[0]).to.be.closeTo(many.rows * Math.log(classCount), 1e-2);
    const bias = gradients.get('head/bias')!;
    expect(bias[0]).to.be.closeTo(many.rows / classCount - 1, 1e-4);
    expect(bias[classCount - 1]).to.be.closeTo(many.rows / classCount, 1e-4);
  });
});

describe('Training on very many classes', () => {
  const many = (rowCount: number, classCount: number): FeatureSet => ({
    rows: rowCount,
    dim: 1,
    features: new Float32Array(rowCount).fill(1),
    labels: Int32Array.from({ length: rowCount }, (_, row) => row % classCount),
    classes: Array.from({ length: classCount }, (_, c) => `${c}`),
  });
  const refused = { code: 'OUT_OF_MEMORY', message: /\d+ examples with \d+ classes.* GB of memory is free/ };

  it('is refused before it begins where no memory has room for what each weighs for each', async () => {
    const error = await trainHead(many(2 ** 18, 2 ** 18), undefined, { solver: 'adamw' }).catch(
      (caught: unknown) => caught as GraftError,
    );
    expect(error).to.have.property('code', refused.code);
    expect(error).to.have.property('message').that.matches(refused.message);
  });

  it('is refused where no memory has room for all scores of what is measured', () => {
    expect(() => assertMemory(many(2, 2 ** 17), {}, 2 ** 21))
      .to.throw(refused.message)
      .with.property('code', refused.code);
  });
});

describe('An exact step whose weights are mixed of others, with a penalty', () => {
  const directions = 5;
  const noise = (length: number) => Float64Array.from({ length }, () => 0.3 * rng.normal());
  const mixing = {
    spread: checked('float64', [dim, directions], noise(dim * directions)),
    inner: checked('float64', [directions, directions], noise(directions ** 2)),
    gather: checked('float64', [directions, dim], noise(directions * dim)),
  };
  const penalty = Float64Array.from({ length: dim * classes }, (_, i) => 0.5 + (i % 7));
  const terms = { penalty: new Map([['head/weight', checked('float64', [dim, classes], penalty)]]), mixing };
  /** (I + P C R) V */
  const mixed = (v: Float64Array): Float64Array => {
    const [spread, inner, gather] = [mixing.spread, mixing.inner, mixing.gather].map(({ data }) => data);
    const w = v.slice();
    for (let c = 0; c < classes; c++) {
      for (let k = 0; k < directions; k++) {
        let along = 0;
        for (let d = 0; d < dim; d++) along += Number(gather![k * dim + d]) * v[d * classes + c]!;
        for (let j = 0; j < directions; j++) {
          const turned = Number(inner![j * directions + k]) * along;
          for (let d = 0; d < dim; d++) w[d * classes + c]! += Number(spread![d * directions + j]) * turned;
        }
      }
    }
    return w;
  };
  const at = (v: Float64Array): Map<string, Tensor> =>
    new Map([
      ['head/weight', checked('float64', [dim, classes], v)],
      ['head/bias', checked('float64', [classes], bias)],
    ]);

  it('has the objective of the weights themselves, and the gradient by what they are mixed of', async () => {
    const exact = await openExactStep({ ...options, precision: 'float64' });
    const w = mixed(weights);
    const plain = await exact.evaluate(at(w));
    const here = await exact.evaluate(at(weights), terms);
    const pull = w.map((wi, i) => penalty[i]! * wi);
    const energy = 0.5 * w.reduce((sum, wi, i) => sum + pull[i]! * wi, 0);
    expect(here.losses[0]! / (plain.losses[0]! + energy)).to.be.closeTo(1, 1e-12);
    const byWeights = plain.gradients.get('head/weight')!;
    const sizes = [...byWeights].map((g, i) => Math.abs(g + pull[i]!));
    const ofBias = [...plain.gradients.get('head/bias')!].map(Math.abs);
    expect(here.size! / Math.max(...sizes, ...ofBias)).to.be.closeTo(1, 1e-12);
    const along = (step: number) => exact.evaluate(at(weights.map((v, i) => v + step * far[i]!)), terms);
    const [ahead, behind] = [await along(1e-5), await along(-1e-5)];
    const byParameter = Float64Array.from(here.gradients.get('head/weight')!);
    const slope = byParameter.reduce((sum, g, i) => sum + g * far[i]!, 0);
    expect((ahead.losses[0]! - behind.losses[0]!) / 2e-5 / slope).to.be.closeTo(1, 1e-5);
    await exact.release();
  });

  it('is the same in differences from an anchor', async () => {
    const anchor = await measureAnchor(options, at(weights), terms);
    const [near, exact] = [
      await openExactStep({ ...options, anchor }),
      await openExactStep({ ...options, precision: 'float64' }),
    ];
    const moved = at(weights.map((v, i) => v + 1e-4 * far[i]!));
    const [found, wanted] = [await near.evaluate(moved, terms), await exact.evaluate(moved, terms)];
    expect(found.losses[0]! / wanted.losses[0]! - 1).to.be.within(-1e-9, 1e-9);
    expect(found.size! / wanted.size! - 1).to.be.within(-1e-8, 1e-8);
    const [a, b] = [found, wanted].map(({ gradients }) => gradients.get('head/weight') as Float64Array);
    expect(largest(a!, b!) / Math.max(...b!.map(Math.abs))).to.be.below(1e-8);
    await Promise.all([near.release(), exact.release()]);
  });

  it('gives each replica its own penalty', async () => {
    const folds = Int32Array.from({ length: rows }, (_, row) => row % 2);
    const both = await openExactStep({ ...options, precision: 'float64', folds });
    const twice = (values: Float64Array, factor: number): Float64Array => {
      const stacked = new Float64Array(2 * values.length);
      for (let i = 0; i < values.length; i++) {
        const into = Math.floor(i / classes) * 2 * classes + (i % classes);
        stacked[into] = values[i]!;
        stacked[into + classes] = factor * values[i]!;
      }
      return stacked;
    };
    const stacked = new Map([
      ['head/weight', checked('float64', [dim, 2 * classes], twice(weights, 1))],
      ['head/bias', checked('float64', [2 * classes], twice(bias, 1))],
    ]);
    const own = checked('float64', [dim, 2 * classes], twice(penalty, 3));
    const given = { heldOut: Int32Array.of(-1, -1), mixing };
    const { losses } = await both.evaluate(stacked, { ...given, penalty: new Map([['head/weight', own]]) });
    const none = await both.evaluate(stacked, given);
    const energy = 0.5 * mixed(weights).reduce((sum, wi, i) => sum + penalty[i]! * wi * wi, 0);
    for (const [replica, factor] of [1, 3].entries()) {
      const added = losses[replica]! - none.losses[replica]!;
      expect(added / (factor * energy)).to.be.closeTo(1, 1e-9);
    }
    await both.release();
  });

  it('counts the penalty once where there are several blocks of rows', async () => {
    const many = 8192 + 100;
    const source = Int32Array.from({ length: many }, (_, row) => row % rows);
    const exact = await openExactStep({
      ...{ ...options, precision: 'float64' },
      train: {
        ...train,
        rows: many,
        features: Float32Array.from({ length: many * dim }, (_, i) => {
          return train.features[source[Math.floor(i / dim)]! * dim + (i % dim)]!;
        }),
        labels: source.map((row) => train.labels[row]!),
      },
    });
    const [penalized, plain] = [
      await exact.evaluate(at(weights), terms),
      await exact.evaluate(at(weights), { mixing }),
    ];
    const energy = 0.5 * mixed(weights).reduce((sum, wi, i) => sum + penalty[i]! * wi * wi, 0);
    expect((penalized.losses[0]! - plain.losses[0]!) / energy).to.be.closeTo(1, 1e-9);
    await exact.release();
  });
});
