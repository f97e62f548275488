import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { confusedPairs } from '../../src/metrics/confused-pairs.js';
import { expectedCalibrationError, reliabilityCurve } from '../../src/metrics/calibration.js';
import {
  type ClassEvaluation,
  evaluateOutputs,
  type LabelEvaluation,
  type NumberEvaluation,
} from '../../src/metrics/evaluation.js';
import { rankScores } from '../../src/metrics/ranking.js';
import { fitTemperature } from '../../src/metrics/temperature.js';
import { createRng } from '../../src/rng.js';

interface Fixture {
  readonly multi: Readonly<
    Record<'accuracy' | 'macroF1' | 'microF1' | 'rocAuc' | 'averagePrecision', number>
  > & { readonly confusion: readonly unknown[]; readonly ece: readonly number[] } & Table;
  readonly numbers: Readonly<Record<'r2' | 'mae' | 'rmse', number>> & Table;
  readonly temperature: readonly {
    readonly name: string;
    readonly logits: readonly number[];
    readonly labels: readonly number[];
    readonly classes: number;
    readonly temperature: number;
    readonly lossBefore: number;
    readonly lossAfter: number;
  }[];
}

interface Table {
  readonly outputs: readonly number[];
  readonly targets: readonly number[];
  readonly classes: number;
}

const fixture = JSON.parse(readFileSync('test/metrics/fixtures/evaluation.json', 'utf8')) as Fixture;
const namesOf = (count: number): string[] => Array.from({ length: count }, (_, c) => `class ${c}`);
const softmax = (logits: Float32Array, classes: number, temperature: number): Float32Array => {
  const out = new Float32Array(logits.length);
  for (let at = 0; at < logits.length; at += classes) {
    const row = Array.from(logits.subarray(at, at + classes), (z) => z / temperature);
    const largest = Math.max(...row);
    const total = row.reduce((sum, z) => sum + Math.exp(z - largest), 0);
    row.forEach((z, c) => (out[at + c] = Math.exp(z - largest) / total));
  }
  return out;
};

describe('an evaluation', () => {
  it('has the figures of scikit-learn for several labels an example', () => {
    const { outputs, targets, classes, ...wanted } = fixture.multi;
    const found = evaluateOutputs({
      task: 'multi',
      outputs: Float32Array.from(outputs),
      targets: Float32Array.from(targets),
      labels: [],
      classes: namesOf(classes),
    }) as LabelEvaluation;
    for (const key of ['accuracy', 'macroF1', 'microF1', 'rocAuc', 'averagePrecision'] as const)
      expect(found[key], key).to.be.closeTo(wanted[key], 1e-9);
    expect(found.confusion).to.deep.equal(wanted.confusion);
    wanted.ece.forEach((ece, c) => expect(found.perClass[c]!.ece, `label ${c}`).to.be.closeTo(ece, 1e-6));
    expect(found.ece).to.be.closeTo(wanted.ece.reduce((a, b) => a + b) / classes, 1e-6);
  });

  it('has the figures of scikit-learn for several numbers an example', () => {
    const { outputs, targets, classes, ...wanted } = fixture.numbers;
    const found = evaluateOutputs({
      task: 'regression',
      outputs: Float32Array.from(outputs),
      targets: Float32Array.from(targets),
      labels: [],
      classes: namesOf(classes),
    }) as NumberEvaluation;
    for (const key of ['r2', 'mae', 'rmse'] as const)
      expect(found[key], key).to.be.closeTo(wanted[key], 1e-5);
    const { low, high } = found.intervals!.rmse;
    expect(low).to.be.below(found.rmse);
    expect(high).to.be.above(found.rmse);
  });

  it('puts accuracy, macro F1 and loss inside their intervals, the same for the same examples', () => {
    const rng = createRng(3);
    const labels = Array.from({ length: 300 }, () => rng.integer(4));
    const logits = Float32Array.from(
      { length: 1200 },
      (_, i) => rng.normal() + (labels[Math.floor(i / 4)] === i % 4 ? 1.5 : 0),
    );
    const input = { task: 'single' as const, outputs: softmax(logits, 4, 1), labels, classes: namesOf(4) };
    const found = evaluateOutputs(input) as ClassEvaluation;
    for (const key of ['accuracy', 'macroF1', 'loss'] as const) {
      const { low, high } = found.intervals![key];
      expect(low, key).to.be.below(found[key]);
      expect(high, key).to.be.above(found[key]);
      expect(high - low, key).to.be.below(0.3);
    }
    expect(evaluateOutputs(input)).to.deep.equal(found);
    // The normal approximation of a share's interval.
    const spread = 1.96 * Math.sqrt((found.accuracy * (1 - found.accuracy)) / 300);
    expect(found.intervals!.accuracy.high - found.accuracy).to.be.closeTo(spread, 0.012);
  });

  it('counts the steps between ordered classes', () => {
    const outputs = Float32Array.of(0.8, 0.1, 0.1, 0.8, 0.1, 0.1, 0, 0.9, 0.1);
    const input = { outputs, labels: [0, 2, 2], classes: namesOf(3) };
    expect((evaluateOutputs({ task: 'ordered', ...input }) as ClassEvaluation).meanSteps).to.equal(1);
    expect(evaluateOutputs({ task: 'single', ...input })).to.not.have.property('meanSteps');
  });
});

describe('a confusion matrix of very many classes', () => {
  const labels = Int32Array.from({ length: 5000 }, (_, i) => i);
  const outputs = new Float32Array(300 * 5000);
  for (let row = 0; row < 300; row++) outputs[row * 5000 + (row % 3 === 0 ? 4000 : row)] = 1;
  const found = evaluateOutputs({
    ...{ task: 'single', outputs, labels: labels.subarray(0, 300), classes: namesOf(5000) },
  }) as ClassEvaluation;

  it('holds what is not 0 alone, in the same places', () => {
    expect(JSON.stringify(found.confusion).length).to.be.below(20_000);
    expect(found.confusion[1]![1]).to.equal(1);
    expect(found.confusion[3]).to.deep.equal({ 4000: 1 });
    expect(found.confusion).to.have.length(5000);
  });

  it('gives the figures that it gives with all its zeros', () => {
    // Of the same rows, with the classes that occur.
    const used = [...labels.subarray(0, 300), 4000];
    const fewer = Float32Array.from({ length: 300 * 301 }, (_, i) => {
      const [row, c] = [Math.floor(i / 301), i % 301];
      return outputs[row * 5000 + used[c]!]!;
    });
    const dense = evaluateOutputs({
      ...{ task: 'single', outputs: fewer, labels: labels.subarray(0, 300) },
      classes: used.map((c) => `class ${c}`),
    }) as ClassEvaluation;
    for (const key of ['accuracy', 'macroF1', 'balancedAccuracy', 'confusedPairs'] as const)
      expect(found[key], key).to.deep.equal(dense[key]);
    used.forEach((c, i) => expect(found.perClass[c]).to.deep.equal(dense.perClass[i]));
  });
});

describe('confused pairs', () => {
  it('come largest first and leave out what is right', () => {
    const confusion = [
      [5, 3, 0],
      [1, 9, 0],
      [0, 4, 1],
    ];
    expect(confusedPairs(confusion, ['a', 'b', 'c'], 2)).to.deep.equal([
      { label: 'c', prediction: 'b', examples: 4, share: 0.8 },
      { label: 'a', prediction: 'b', examples: 3, share: 3 / 8 },
    ]);
  });
});

describe('ranking measures of float32 scores', () => {
  it('are those of the same scores as float64, ties, signs and zeros too', () => {
    const rng = createRng(8);
    const scores = Float32Array.from({ length: 500 }, () => Math.round(4 * rng.normal()) / 4);
    scores[3] = -0;
    const isPositive = Array.from({ length: 500 }, () => rng.uniform() < 0.3);
    const wide = Float64Array.from(scores);
    expect(rankScores(scores, isPositive)).to.deep.equal(rankScores(wide, isPositive));
  });
});

describe('temperature scaling', () => {
  for (const { name, classes, ...wanted } of fixture.temperature) {
    it(`finds SciPy's optimum: ${name}`, () => {
      const logits = Float32Array.from(wanted.logits);
      const found = fitTemperature(logits, wanted.labels, classes);
      expect(found.temperature).to.be.closeTo(wanted.temperature, 1e-6 * wanted.temperature);
      expect(found.lossBefore).to.be.closeTo(wanted.lossBefore, 1e-9);
      expect(found.lossAfter).to.be.closeTo(wanted.lossAfter, 1e-9);
      expect(found.lossAfter).to.be.below(found.lossBefore);
    });
  }

  it('brings the calibration error of a model that is far too sure down', () => {
    const { classes, labels, ...given } = fixture.temperature[0]!;
    const logits = Float32Array.from(given.logits);
    const { temperature } = fitTemperature(logits, labels, classes);
    const errorAt = (t: number) =>
      expectedCalibrationError(reliabilityCurve(softmax(logits, classes, t), labels, classes));
    expect(errorAt(temperature)).to.be.below(0.5 * errorAt(1));
  });

  it('stays finite where every label is told right, and where every one is wrong', () => {
    const logits = Float32Array.of(2, 0, 0, 3);
    for (const labels of [
      [0, 1],
      [1, 0],
    ]) {
      const { temperature, lossAfter } = fitTemperature(logits, labels, 2);
      expect(temperature).to.be.within(1e-3, 1e3);
      expect(lossAfter).to.be.below(1);
    }
  });

  it('leaves the probabilities as they are where every label is told right: no temperature is low enough', () => {
    const found = fitTemperature(Float32Array.of(2, 0, 0, 3), [0, 1], 2);
    expect(found).to.include({ temperature: 1, isFitted: false });
    expect(found.lossAfter).to.equal(found.lossBefore);
    expect(fitTemperature(Float32Array.of(2, 0, 0, 3, 1, 0), [0, 1, 1], 2).isFitted).to.equal(true);
  });
});
