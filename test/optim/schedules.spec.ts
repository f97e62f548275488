import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { clipFactor } from '../../src/optim/clip-norm.js';
import {
  afterEpoch,
  plateauStart,
  type Schedule,
  scheduleFactor,
  scheduleKinds,
} from '../../src/optim/schedules.js';
import { averageDecay, followWeights } from '../../src/optim/weight-average.js';

interface Fixture {
  readonly cases: readonly (Required<Schedule> & { readonly factors: readonly number[] })[];
  readonly plateau: { readonly losses: readonly number[]; readonly factors: readonly number[] };
}

const fixture = JSON.parse(readFileSync('test/optim/fixtures/schedules.json', 'utf8')) as Fixture;

describe('the learning-rate schedules', () => {
  for (const { factors, ...schedule } of fixture.cases) {
    const { kind, steps, warmUp } = schedule;
    it(`go as those of PyTorch: ${kind} over ${steps} steps${warmUp ? ', with warm-up' : ''}`, () => {
      factors.forEach((wanted, t) => {
        expect(scheduleFactor(schedule, t), `step ${t}`).to.be.closeTo(wanted, 1e-6 * (0.01 + wanted));
      });
    });
  }

  it('halve the rate on a plateau when PyTorch does', () => {
    let state = plateauStart;
    const { losses, factors } = fixture.plateau;
    expect(losses.map((loss) => (state = afterEpoch(state, loss)).factor)).to.deep.equal(factors);
  });

  it('stay between 0 and 1 in few steps as in many', () => {
    for (const kind of scheduleKinds)
      for (const [steps, warmUp] of [
        [1, 0],
        [2, 1],
        [3, 3],
        [100, 10],
      ] as const)
        for (let t = 0; t < steps; t++)
          expect(scheduleFactor({ kind, steps, warmUp }, t), `${kind} ${t} of ${steps}`).to.be.within(0, 1);
  });

  it('give the one step of a short training its full rate', () => {
    for (const kind of scheduleKinds) expect(scheduleFactor({ kind, steps: 1 }, 0), kind).to.equal(1);
  });
});

describe('clipping and averaging', () => {
  it('scales gradients to the norm allowed, and leaves shorter ones alone', () => {
    const gradients = [Float32Array.of(3), Float32Array.of(0, 4)];
    expect(clipFactor(gradients, 1)).to.be.closeTo(0.2, 1e-12);
    expect(clipFactor(gradients, 6)).to.equal(1);
    expect(clipFactor(gradients, Number.POSITIVE_INFINITY)).to.equal(1);
  });

  it('averages weights with a decay that starts low', () => {
    const average = Float32Array.of(0);
    followWeights(average, Float32Array.of(11), averageDecay(0.999, 1));
    expect(average[0]).to.be.closeTo(10, 1e-5);
    expect(averageDecay(0.9, 1000)).to.equal(0.9);
  });
});
