import { claimGradients, type GradientCase } from './expect-gradients.js';

const cases: readonly GradientCase[] = [
  { name: 'Add', build: (b, { weight }) => b.op('Add', [weight('a', [2, 3]), weight('b', [2, 3])]) },
  { name: 'Mul, broadcast', build: (b, { weight }) => b.op('Mul', [weight('a', [2, 3]), weight('b', [3])]) },
  { name: 'Tanh', build: (b, { weight }) => b.op('Tanh', [weight('a', [2, 3])]) },
  {
    name: 'Div',
    build: (b, { weight }) => b.op('Div', [weight('a', [2, 3]), weight('b', [2, 1], (z) => 1 + Math.abs(z))]),
  },
];

describe('gradients of elementwise operators', () => claimGradients(cases));
