import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { adamwMemory, adamwState, adamwStep } from '../../src/optim/adamw.js';
import { sgdStep } from '../../src/optim/sgd.js';
import { createRng } from '../../src/rng.js';

interface Fixture {
  readonly start: readonly number[];
  readonly gradients: readonly (readonly number[])[];
  readonly cases: readonly {
    readonly name: string;
    readonly options: { lr: number; weight_decay: number; momentum?: number; nesterov?: boolean };
    readonly after: readonly (readonly number[])[];
  }[];
}

const fixture = JSON.parse(readFileSync('test/optim/fixtures/torch.json', 'utf8')) as Fixture;

describe('the update rules', () => {
  for (const { name, options, after } of fixture.cases) {
    for (const gradientScale of [1, 0.01]) {
      const given = gradientScale === 1 ? '' : `, with a gradient that is ${gradientScale} of what is given`;
      it(`take the steps of PyTorch: ${name}${given}`, () => {
        const weights = Float32Array.from(fixture.start);
        const state = adamwState(weights.length);
        const { lr, weight_decay: decay, momentum = 0, nesterov = false } = options;
        fixture.gradients.forEach((values, i) => {
          const gradient = Float32Array.from(values, (value) => value / gradientScale);
          if (name.startsWith('adamw')) adamwStep(weights, gradient, state, { lr, decay, gradientScale });
          else sgdStep(weights, gradient, state.m, { lr, momentum, nesterov, decay, gradientScale });
          weights.forEach((weight, j) => {
            const wanted = after[i]![j]!;
            expect(weight, `step ${i + 1}, weight ${j}`).to.be.closeTo(wanted, 2e-6 * (1 + Math.abs(wanted)));
          });
        });
      });
    }
  }

  it('take the same steps in memory of their own as in any other, and leave what lies beside it', () => {
    const rng = createRng(1);
    const draw = (size: number) => Float32Array.from({ length: size }, () => rng.normal());
    for (const size of [1, 4, 7, 4096, 9999]) {
      const [weights, gradient, m, v] = [draw(size), draw(size), draw(size), draw(size).map(Math.abs)];
      const given = [weights, gradient, m, v];
      const beside = 3;
      const memory = adamwMemory(given.map(() => size + 2 * beside));
      for (const [i, array] of memory.entries()) array.fill(7).set(given[i]!, beside);
      const own = memory.map((array) => array.subarray(beside, beside + size));
      const options = { lr: 0.01, decay: 0.1, gradientScale: 0.5 };
      adamwStep(weights, gradient, { m, v, t: 4 }, options);
      adamwStep(own[0]!, own[1]!, { m: own[2]!, v: own[3]!, t: 4 }, options);
      expect(own, `${size} values`).to.deep.equal(given);
      for (const array of memory) {
        for (const at of [0, 1, 2, size + 3, size + 4, size + 5]) expect(array[at]).to.equal(7);
      }
    }
  });
});
