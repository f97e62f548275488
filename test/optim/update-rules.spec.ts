import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { adamwState, adamwStep } from '../../src/optim/adamw.js';
import { sgdStep } from '../../src/optim/sgd.js';

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
});
