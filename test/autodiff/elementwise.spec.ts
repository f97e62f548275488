import { claimGradients, type GradientCase } from './expect-gradients.js';

const positive = (z: number): number => 0.3 + Math.abs(z);
/** Away from zero, on both sides. */
const nonzero = (z: number): number => z + Math.sign(z) * 0.3;

const operands: readonly (readonly [string, readonly number[], readonly number[]])[] = [
  ['same shapes', [2, 3], [2, 3]],
  ['a row', [3, 1, 5], [5]],
  ['a column', [2, 3], [2, 1]],
  ['both stretched', [3, 1, 2], [4, 1]],
  ['a scalar', [2, 3], []],
  ['a scalar first', [], [3]],
  ['one number, more axes', [3], [1, 1, 1]],
];

const binary: GradientCase[] = ['Add', 'Sub', 'Mul', 'Div', 'Pow'].flatMap((op) =>
  operands.map(([name, a, b], i): GradientCase => ({
    name: `${op} of ${name}`,
    opset: [7, 13, 17, 25][i % 4]!,
    build: (builder, { weight }) =>
      builder.op(op, [
        weight('a', a, op === 'Pow' ? positive : undefined),
        weight('b', b, op === 'Div' ? nonzero : undefined),
      ]),
  })),
);

const unary: GradientCase[] = (
  [
    ['Neg', undefined],
    ['Abs', nonzero],
    ['Sqrt', positive],
    ['Exp', undefined],
    ['Log', positive],
    ['Reciprocal', nonzero],
    ['Sin', undefined],
    ['Cos', undefined],
    ['Tan', (z: number) => Math.tanh(z)],
    ['Asin', (z: number) => 0.9 * Math.tanh(z)],
    ['Acos', (z: number) => 0.9 * Math.tanh(z)],
    ['Atan', undefined],
    ['Sinh', undefined],
    ['Cosh', undefined],
    ['Asinh', undefined],
    ['Acosh', (z: number) => 1.2 + Math.abs(z)],
    ['Atanh', (z: number) => 0.9 * Math.tanh(z)],
  ] as const
).flatMap(([op, values]) =>
  (op.endsWith('h') ? [9, 13, 25] : [7, 13, 25]).map((opset) => ({
    name: op,
    opset,
    build: (b, { weight }) => b.op(op, [weight('x', [3, 5], values)]),
  })),
);

const powers: GradientCase[] = [0, 1, 2, 3, 0.5, -1, -0.5].map((power) => ({
  name: `Pow with the constant ${power}`,
  build: (b, { weight, fixed }) => b.op('Pow', [weight('x', [2, 3], positive), fixed('p', [], [power])]),
}));

const extremes: GradientCase[] = ['Max', 'Min'].flatMap((op): GradientCase[] => [
  ...[8, 11, 13].map((opset) => ({
    name: `${op} of two`,
    opset,
    build: (b: Parameters<GradientCase['build']>[0], { weight }: Parameters<GradientCase['build']>[1]) =>
      b.op(op, [weight('a', [3, 4]), weight('b', [4])]),
  })),
  {
    name: `${op} of three`,
    build: (b, { weight }) =>
      b.op(
        op,
        ['a', 'b', 'c'].map((name) => weight(name, [7])),
      ),
  },
  { name: `${op} of one`, build: (b, { weight }) => b.op(op, [weight('a', [7])]) },
]);

const bounds = { min: { float: -0.6 }, max: { float: 0.9 } };

const others: GradientCase[] = [
  {
    name: 'Pow with the constant 0, of zero',
    build: (b, { weight, fixed }) =>
      b.op('Add', [b.op('Pow', [weight('x', [2], [0, 2]), fixed('p', [], [0])]), weight('y', [2])]),
  },
  {
    name: 'Pow with the constant 0 of more axes',
    build: (b, { weight, fixed }) =>
      b.op('Mul', [b.op('Pow', [weight('x', [3]), fixed('p', [1, 1], [0])]), weight('y', [3])]),
  },
  {
    name: 'Pow of zero with one exponent of 0 among others',
    build: (b, { weight, fixed }) => b.op('Pow', [weight('x', [3], [0, 0.5, 2]), fixed('p', [3], [0, 1, 2])]),
  },
  {
    name: 'Clip from below, whose upper bound is left out by an empty name',
    build: (b, { weight, fixed }) => b.op('Clip', [weight('x', [9]), fixed('low', [], [-0.1]), '']),
  },
  ...[10, 13, 17].map((opset): GradientCase => ({
    name: 'Mod',
    opset,
    build: (b, { weight }) =>
      b.op('Mod', [weight('a', [3, 2], (z) => 3 * z), weight('b', [2], nonzero)], {
        attributes: { fmod: 1 },
      }),
  })),
  {
    name: 'Pow of a negative base, squared',
    build: (b, { weight, fixed }) => b.op('Pow', [weight('x', [5]), fixed('p', [1], [2])]),
  },
  {
    name: 'Pow with an integer exponent',
    build: (b, { weight, ints }) => b.op('Pow', [weight('x', [5]), ints([3], [])]),
  },
  {
    name: 'Pow with integer exponents',
    build: (b, { weight, ints }) => b.op('Pow', [weight('x', [3]), ints([1, 2, 3])]),
  },
  {
    name: 'Mul of a tensor by itself',
    build: (b, { weight }) => {
      const x = weight('x', [5]);
      return b.op('Mul', [x, x]);
    },
  },
  {
    name: 'Add of a tensor to itself',
    build: (b, { weight }) => {
      const x = weight('x', [5]);
      return b.op('Add', [x, x]);
    },
  },
  {
    name: 'Div of a tensor by itself, squared',
    build: (b, { weight }) => {
      const x = weight('x', [5], nonzero);
      return b.op('Div', [x, b.op('Mul', [x, x])]);
    },
  },
  {
    name: 'one tensor on three ways',
    build: (b, { weight }) => {
      const x = weight('x', [5]);
      return b.op('Add', [b.op('Mul', [x, b.op('Sin', [x])]), b.op('Exp', [x])]);
    },
  },
  {
    name: 'Sum of three, broadcast',
    build: (b, { weight }) => b.op('Sum', [weight('a', [3, 1]), weight('b', [4]), weight('c', [3, 4])]),
  },
  {
    name: 'Mean of three, broadcast',
    opset: 13,
    build: (b, { weight }) => b.op('Mean', [weight('a', [3, 1]), weight('b', [4]), weight('c', [3, 4])]),
  },
  {
    name: 'Clip by attributes',
    opset: 7,
    build: (b, { weight }) => b.op('Clip', [weight('x', [4, 5])], { attributes: bounds }),
  },
  {
    name: 'Clip by attributes',
    opset: 10,
    build: (b, { weight }) => b.op('Clip', [weight('x', [4, 5])], { attributes: bounds }),
  },
  {
    name: 'Clip between inputs',
    opset: 11,
    build: (b, { weight, fixed }) =>
      b.op('Clip', [weight('x', [4, 5]), fixed('low', [], [-0.6]), fixed('high', [], [0.9])]),
  },
  {
    name: 'Clip above only',
    opset: 13,
    build: (b, { weight, fixed }) => b.op('Clip', [weight('x', [4, 5]), '', fixed('high', [], [0.2])]),
  },
  { name: 'Clip without bounds', opset: 13, build: (b, { weight }) => b.op('Clip', [weight('x', [4, 5])]) },
  ...[9, 16, 21].map((opset): GradientCase => ({
    name: 'Where, broadcast three ways',
    opset,
    build: (b, { weight, fixed }) => {
      const mask = b.op('Cast', [fixed('m', [3, 1], [0, 1, 0])], { attributes: { to: 9 } });
      return b.op('Where', [mask, weight('a', [4]), weight('b', [2, 1, 1])]);
    },
  })),
];

describe('gradients of elementwise operators', () => {
  claimGradients([...binary, ...unary, ...powers, ...extremes, ...others]);
});
