import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { bootstrapIntervals } from '../../src/metrics/bootstrap.js';
import { expectedCalibrationError, reliabilityCurve } from '../../src/metrics/calibration.js';
import { classificationMetrics, topKAccuracy } from '../../src/metrics/classification.js';
import { rankScores } from '../../src/metrics/ranking.js';
import { regressionMetrics } from '../../src/metrics/regression.js';
import { createRng } from '../../src/rng.js';

interface Fixture {
  readonly classification: readonly {
    readonly name: string;
    readonly classes: number;
    readonly probabilities: readonly number[];
    readonly labels: readonly number[];
    readonly top2: number | null;
    readonly precision: readonly number[];
    readonly recall: readonly number[];
    readonly f1: readonly number[];
    readonly support: readonly number[];
    readonly confusion: readonly (readonly number[])[];
    readonly accuracy: number;
    readonly balancedAccuracy: number;
    readonly macroF1: number;
    readonly microF1: number;
    readonly loss: number;
    readonly rocAuc: number;
    readonly averagePrecision: number;
  }[];
  readonly ranking: readonly {
    readonly name: string;
    readonly scores: readonly number[];
    readonly truth: readonly number[];
    readonly rocAuc: number;
    readonly averagePrecision: number;
  }[];
  readonly regression: readonly {
    readonly name: string;
    readonly predicted: readonly number[];
    readonly truth: readonly number[];
    readonly r2: number;
    readonly mae: number;
    readonly rmse: number;
  }[];
}

const fixture = JSON.parse(readFileSync('test/metrics/fixtures/sklearn.json', 'utf8')) as Fixture;
const scalars = [
  'accuracy',
  'balancedAccuracy',
  'macroF1',
  'microF1',
  'loss',
  'rocAuc',
  'averagePrecision',
] as const;

describe('classification metrics', () => {
  for (const wanted of fixture.classification) {
    const { name, classes, labels } = wanted;
    const probabilities = Float32Array.from(wanted.probabilities);
    it(`are those of scikit-learn: ${name}`, () => {
      const found = classificationMetrics(probabilities, labels, classes);
      for (const key of scalars) expect(found[key], key).to.be.closeTo(wanted[key], 1e-9);
      expect(found.confusion).to.deep.equal(wanted.confusion);
      found.perClass.forEach((metrics, c) => {
        for (const key of ['precision', 'recall', 'f1', 'support'] as const) {
          expect(metrics[key], `${key} of ${c}`).to.be.closeTo(wanted[key][c]!, 1e-12);
        }
      });
      if (wanted.top2 !== null) {
        expect(topKAccuracy(probabilities, labels, classes, 2)).to.be.closeTo(wanted.top2, 1e-12);
      }
    });
  }

  it('are defined for no examples at all', () => {
    const found = classificationMetrics(new Float32Array(0), [], 3);
    expect(found.examples).to.equal(0);
    expect([found.accuracy, found.loss, found.ece]).to.deep.equal([0, 0, 0]);
    expect([found.rocAuc, found.averagePrecision]).to.deep.equal([null, null]);
  });

  it('have no top 3 and no top 5 where there are no more classes than that', () => {
    const tops = [3, 4, 5, 6].map((classes) => {
      const uniform = new Float32Array(classes).fill(1 / classes);
      const { top3, top5 } = classificationMetrics(uniform, [classes - 1], classes);
      return [top3, top5];
    });
    expect(tops).to.deep.equal([
      [null, null],
      [1, null],
      [1, null],
      [1, 1],
    ]);
  });

  it('have no ROC curve where every example is of one class', () => {
    expect(classificationMetrics(Float32Array.of(0.6, 0.4, 0.7, 0.3), [0, 0], 2).rocAuc).to.equal(null);
  });
});

describe('ranking metrics', () => {
  for (const { name, scores, truth, ...wanted } of fixture.ranking) {
    it(`are those of scikit-learn: ${name}`, () => {
      const found = rankScores(scores, truth);
      expect(found.rocAuc).to.be.closeTo(wanted.rocAuc, 1e-12);
      expect(found.averagePrecision).to.be.closeTo(wanted.averagePrecision, 1e-12);
    });
  }

  it('refuse a score that is not a number', () => {
    expect(() => rankScores([0.1, Number.NaN], [0, 1])).to.throw(/not a number/);
  });
});

describe('regression metrics', () => {
  for (const { name, predicted, truth, ...wanted } of fixture.regression) {
    it(`are those of scikit-learn: ${name}`, () => {
      const found = regressionMetrics(predicted, truth);
      for (const key of ['r2', 'mae', 'rmse'] as const)
        expect(found[key], key).to.be.closeTo(wanted[key], 1e-12);
    });
  }

  it('have no R² of one example', () => {
    expect(regressionMetrics([3], [1])).to.deep.equal({ examples: 1, r2: null, mae: 2, rmse: 2 });
  });

  it('see that targets are equal whose mean is no sum of their parts', () => {
    // Seven sevenths of this number are not the number.
    const targets = Float32Array.from({ length: 7 }, () => 0.1);
    expect(
      regressionMetrics(
        targets.map((target) => target + 1),
        targets,
      ).r2,
    ).to.equal(0);
    expect(regressionMetrics(targets, targets).r2).to.equal(1);
  });
});

describe('calibration', () => {
  it('finds no error where confidence is met by accuracy', () => {
    const probabilities = new Float32Array(40).map((_, i) => (i % 2 === 0 ? 0.75 : 0.25));
    const labels = Array.from({ length: 20 }, (_, i) => (i % 4 === 3 ? 1 : 0));
    const curve = reliabilityCurve(probabilities, labels, 2);
    expect(expectedCalibrationError(curve)).to.be.closeTo(0, 1e-9);
    expect(curve.reduce((sum, { examples }) => sum + examples, 0)).to.equal(20);
  });

  it('finds the gap of a model that is always sure and half the time wrong', () => {
    const probabilities = new Float32Array(40).map((_, i) => (i % 2 === 0 ? 1 : 0));
    const labels = Array.from({ length: 20 }, (_, i) => i % 2);
    expect(expectedCalibrationError(reliabilityCurve(probabilities, labels, 2))).to.be.closeTo(0.5, 1e-12);
  });

  it('weighs bins by their examples', () => {
    // Nine examples at 0.6 that are all right, one at 1.0 that is wrong: 0.9 · 0.4 + 0.1 · 1.
    const probabilities = Float32Array.from({ length: 20 }, (_, i) => (i < 18 ? [0.6, 0.4] : [1, 0])[i % 2]!);
    const labels = [...new Array<number>(9).fill(0), 1];
    expect(expectedCalibrationError(reliabilityCurve(probabilities, labels, 2))).to.be.closeTo(0.46, 1e-6);
  });
});

describe('the bootstrap', () => {
  const draw = (seed: number, rows: number): Float64Array => {
    const rng = createRng(seed);
    return Float64Array.from({ length: rows }, () => rng.normal());
  };
  const meanOf = (values: Float64Array) => (drawn: Int32Array) => [
    drawn.reduce((sum, row) => sum + values[row]!, 0) / drawn.length,
  ];

  it('covers the true mean about as often as it promises', () => {
    let covered = 0;
    for (let seed = 0; seed < 200; seed++) {
      const [interval] = bootstrapIntervals(60, meanOf(draw(seed, 60)), {
        resamples: 200,
        seed,
        confidence: 0.9,
      });
      const { low, high } = interval!;
      if (low <= 0 && 0 <= high) covered++;
    }
    expect(covered / 200).to.be.within(0.82, 0.96);
  });

  it('gives the same interval for the same seed, and nothing for no rows', () => {
    const metric = meanOf(draw(1, 30));
    expect(bootstrapIntervals(30, metric, { seed: 4 })).to.deep.equal(
      bootstrapIntervals(30, metric, { seed: 4 }),
    );
    expect(bootstrapIntervals(30, metric, { seed: 4 })).to.not.deep.equal(
      bootstrapIntervals(30, metric, { seed: 5 }),
    );
    expect(bootstrapIntervals(0, metric)[0]!.low).to.be.NaN;
  });
});
