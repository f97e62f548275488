import { expect } from 'chai';
import { bootstrapIntervals } from '../../src/metrics/bootstrap.js';
import {
  type ClassEvaluation,
  evaluateOutputs,
  type NumberEvaluation,
} from '../../src/metrics/evaluation.js';
import { createRng } from '../../src/rng.js';

const rng = createRng(4);
const single = Float32Array.from({ length: 60 }, () => rng.uniform());
const copies = 5;
const copied = Float32Array.from(
  { length: single.length * copies },
  (_, row) => single[row % single.length]!,
);
const groups = Int32Array.from(copied, (_, row) => row % single.length);

const meanOf =
  (values: Float32Array) =>
  (drawn: Int32Array): number[] => [drawn.reduce((sum, row) => sum + values[row]!, 0) / drawn.length];

describe('Bootstrap intervals', () => {
  it('are no narrower for copies of the same examples, as groups', () => {
    const [alone] = bootstrapIntervals(single.length, meanOf(single));
    const [together] = bootstrapIntervals(copied.length, meanOf(copied), { groups });
    expect(together!.low).to.be.closeTo(alone!.low, 1e-6);
    expect(together!.high).to.be.closeTo(alone!.high, 1e-6);
    const [divided] = bootstrapIntervals(copied.length, meanOf(copied));
    expect(divided!.high - divided!.low).to.be.below(0.6 * (alone!.high - alone!.low));
  });

  it('have the width of the ratio estimator where groups are of several sizes', () => {
    // 400 groups of 1 to 9 rows, a value each and noise: the deviation of Σy / Σn over groups is
    // sqrt(G · var(y_g − r n_g)) / Σn (Cochran, Sampling Techniques, 6.4).
    const sizes = Array.from({ length: 400 }, () => 1 + rng.integer(9));
    const own = Int32Array.from(sizes.flatMap((size, group) => new Array<number>(size).fill(group)));
    const levels = sizes.map(() => rng.normal());
    const values = Float32Array.from(own, (group) => levels[group]! + 0.3 * rng.normal());
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    const residuals = sizes.map((size) => -mean * size);
    for (const [row, group] of own.entries()) residuals[group]! += values[row]!;
    const variance = residuals.reduce((sum, value) => sum + value ** 2, 0) / (sizes.length - 1);
    const deviation = Math.sqrt(sizes.length * variance) / values.length;
    const [{ low, high }] = bootstrapIntervals(values.length, meanOf(values), { groups: own }) as [
      { low: number; high: number },
    ];
    expect((high - low) / (2 * 1.96 * deviation)).to.be.within(0.9, 1.1);
    expect((low + high) / 2).to.be.closeTo(mean, 0.2 * deviation);
  });

  it('are those of rows where each is its own group', () => {
    const alone = bootstrapIntervals(single.length, meanOf(single));
    const own = Int32Array.from(single, (_, row) => row);
    expect(bootstrapIntervals(single.length, meanOf(single), { groups: own })).to.deep.equal(alone);
  });

  it('are those of an evaluation that knows groups: of classes and of numbers', () => {
    const classes = ['a', 'b'];
    const labels = Int32Array.from(single, (value) => (value > 0.4 ? 1 : 0));
    const probabilities = (values: Float32Array) =>
      Float32Array.from({ length: 2 * values.length }, (_, i) => Math.abs((i % 2) - values[i >> 1]!));
    const copiedLabels = Int32Array.from(copied, (_, row) => labels[row % single.length]!);
    const alone = evaluateOutputs({ task: 'single', outputs: probabilities(single), classes, labels });
    const together = evaluateOutputs({
      ...{ task: 'single', outputs: probabilities(copied), classes, labels: copiedLabels, groups },
    }) as ClassEvaluation;
    const intervals = (alone as ClassEvaluation).intervals!;
    for (const name of ['accuracy', 'macroF1', 'loss'] as const)
      for (const side of ['low', 'high'] as const)
        expect(together.intervals![name][side], `${name} ${side}`).to.be.closeTo(intervals[name][side], 1e-9);
    const numbers = (values: Float32Array, own?: Int32Array) =>
      evaluateOutputs({
        ...{ task: 'regression', outputs: values, classes: ['y'], labels: [], groups: own },
        targets: new Float32Array(values.length),
      }) as NumberEvaluation;
    expect(numbers(copied, groups).intervals!.mae.low).to.be.closeTo(
      numbers(single).intervals!.mae.low,
      1e-6,
    );
  });

  it('reach as far as the exact interval does where all rows are right, or all wrong', () => {
    const labels = Int32Array.from({ length: 20 }, (_, row) => row % 2);
    const certain = (isRight: boolean) =>
      Float32Array.from({ length: 40 }, (_, i) => Number((i % 2 === labels[i >> 1]) === isRight));
    const evaluate = (isRight: boolean, own?: Int32Array) => {
      const outputs = certain(isRight);
      return (
        evaluateOutputs({
          task: 'single',
          outputs,
          classes: ['a', 'b'],
          labels,
          groups: own,
        }) as ClassEvaluation
      ).intervals!;
    };
    // scipy.stats.binomtest(20, 20).proportion_ci()
    expect(evaluate(true).accuracy.low).to.be.closeTo(0.8315665, 1e-6);
    expect(evaluate(true).accuracy.high).to.equal(1);
    expect(evaluate(true).macroF1).to.deep.equal(evaluate(true).accuracy);
    expect(evaluate(false).accuracy.low).to.equal(0);
    expect(evaluate(false).accuracy.high).to.be.closeTo(1 - 0.8315665, 1e-6);
    const fives = Int32Array.from(labels, (_, row) => Math.floor(row / 5));
    expect(evaluate(true, fives).accuracy.low).to.be.closeTo(0.025 ** (1 / 4), 1e-12);
  });
});
