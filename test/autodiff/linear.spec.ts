import { claimGradients, type GradientCase } from './expect-gradients.js';

const shapes: readonly (readonly [readonly number[], readonly number[]])[] = [
  [
    [3, 5],
    [5, 2],
  ],
  [
    [4, 3, 5],
    [5, 2],
  ],
  [
    [2, 4, 3, 5],
    [5, 2],
  ],
  [
    [4, 3, 5],
    [4, 5, 2],
  ],
  [
    [2, 4, 3, 5],
    [2, 4, 5, 1],
  ],
  [
    [4, 1, 3, 5],
    [2, 5, 2],
  ],
  [
    [3, 5],
    [4, 5, 2],
  ],
  [
    [1, 3, 5],
    [4, 5, 2],
  ],
  [[5], [5]],
  [[5], [5, 2]],
  [[3, 5], [5]],
  [[2, 3, 5], [5]],
  [[5], [2, 3, 5, 4]],
  [
    [1, 1],
    [1, 1],
  ],
];

const matMuls: GradientCase[] = [7, 13, 21].flatMap((opset) =>
  shapes.map(([a, b]): GradientCase => ({
    name: `MatMul of [${a}] and [${b}]`,
    opset,
    build: (builder, { weight }) => builder.op('MatMul', [weight('a', a), weight('b', b)]),
  })),
);

const flags = [0, 1].flatMap((transA) => [0, 1].map((transB) => ({ transA, transB })));
const biases: readonly (readonly number[] | undefined)[] = [undefined, [3, 4], [4], [3, 1], [1, 4], [1], []];

const gemms: GradientCase[] = [
  ...flags.flatMap(({ transA, transB }) =>
    biases.map((c): GradientCase => ({
      name: `Gemm transA=${transA} transB=${transB} with C [${c ?? 'absent'}]`,
      opset: 13,
      build: (b, { weight }) =>
        b.op(
          'Gemm',
          [
            weight('a', transA ? [5, 3] : [3, 5]),
            weight('b', transB ? [4, 5] : [5, 4]),
            ...(c ? [weight('c', c)] : []),
          ],
          { attributes: { transA, transB, alpha: { float: 0.7 }, beta: { float: -1.3 } } },
        ),
    })),
  ),
  ...[7, 9, 11].map((opset): GradientCase => ({
    name: 'Gemm with a bias',
    opset,
    build: (b, { weight }) =>
      b.op('Gemm', [weight('a', [3, 5]), weight('b', [4, 5]), weight('c', [4])], {
        attributes: { transB: 1 },
      }),
  })),
];

describe('gradients of matrix products', () => claimGradients([...matMuls, ...gemms]));
