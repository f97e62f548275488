import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import type { LossSpec, TaskKind } from '../../src/tasks/task.js';
import type { FeatureSet } from '../../src/train/feature-set.js';
import { trainHead } from '../../src/train/train-head.js';

interface Fixture {
  readonly rows: number;
  readonly dim: number;
  readonly l2: number;
  readonly features: readonly number[];
  readonly values: readonly number[];
  readonly labels: readonly number[];
  readonly grades: readonly number[];
  readonly cases: readonly {
    readonly task: TaskKind;
    readonly huber?: number;
    readonly objective: number;
    /** [dim][columns] */
    readonly coef?: readonly (readonly number[])[];
    readonly bias?: readonly number[];
  }[];
}

const fixture = JSON.parse(readFileSync('test/train/fixtures/tasks.json', 'utf8')) as Fixture;

function setFor(task: TaskKind): FeatureSet {
  const { rows, dim, values, labels, grades } = fixture;
  const base = { rows, dim, features: Float32Array.from(fixture.features), labels: new Int32Array() };
  if (task === 'regression') return { ...base, classes: ['a', 'b'], targets: Float32Array.from(values) };
  if (task === 'multi') return { ...base, classes: ['a', 'b', 'c'], targets: Float32Array.from(labels) };
  return { ...base, classes: ['0', '1', '2', '3'], labels: Int32Array.from(grades) };
}

describe('L-BFGS on the other tasks', () => {
  for (const { task, huber, objective, coef, bias } of fixture.cases) {
    it(`reaches the optimum of scikit-learn and scipy: ${task}${huber ? ', Huber' : ''}`, async () => {
      const { l2 } = fixture;
      const result = await trainHead(setFor(task), undefined, {
        task,
        l2,
        standardize: false,
        loss: huber ? { huber } : {},
        threads: 1,
      });
      expect(result.objective / objective - 1).to.be.within(-1e-7, 1e-6);
      const weights = result.head.parameters.get('head/weight')!.data as Float32Array;
      const biases = result.head.parameters.get('head/bias')!.data as Float32Array;
      coef?.flat().forEach((wanted, i) => {
        expect(weights[i], `weight ${i}`).to.be.closeTo(wanted, 5e-3 * (1 + Math.abs(wanted)));
      });
      bias?.forEach((wanted, c) => {
        expect(biases[c], `bias ${c}`).to.be.closeTo(wanted, 5e-3 * (1 + Math.abs(wanted)));
      });
    });
  }

  it('refuses a focal loss of smoothed labels, of which the gradient is not known, and trains each alone', async () => {
    const train = (loss: LossSpec) =>
      trainHead(setFor('single'), undefined, { task: 'single', loss, threads: 1 }).then(
        ({ objective }) => objective,
        (error: Error) => error.message,
      );
    expect(await train({ focal: 2, labelSmoothing: 0.1 })).to.match(/received both \(2 and 0.1\).*take one/);
    expect(await train({ focal: 2, labelSmoothing: 0 })).to.be.above(0);
    expect(await train({ labelSmoothing: 0.1 })).to.be.above(0);
  });

  it('learns amounts in any unit alike', async () => {
    const set = setFor('regression');
    const weightsIn = async (unit: number): Promise<number[]> => {
      const targets = set.targets!.map((value) => value * unit);
      const options = { task: 'regression', standardize: false, threads: 1 } as const;
      const { head } = await trainHead({ ...set, targets }, undefined, options);
      return Array.from(head.parameters.get('head/weight')!.data as Float32Array, (weight) => weight / unit);
    };
    const plain = await weightsIn(1);
    for (const unit of [1e-12, 1e-6, 1e6, 1e12]) {
      const found = await weightsIn(unit);
      plain.forEach((weight, i) =>
        expect(found[i], `weight ${i} in ${unit}`).to.be.closeTo(weight, 5e-3 * (1 + Math.abs(weight))),
      );
    }
  });
});
