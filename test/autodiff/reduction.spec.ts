import type { AttributeInput } from '../../src/onnx/attributes.js';
import { claimGradients, type GradientCase } from './expect-gradients.js';

const positive = (z: number): number => 0.3 + Math.abs(z);
const nonzero = (z: number): number => z + Math.sign(z) * 0.3;

const operators: readonly (readonly [string, ((z: number) => number)?])[] = [
  ['ReduceSum'],
  ['ReduceMean'],
  ['ReduceMax'],
  ['ReduceMin'],
  ['ReduceProd', nonzero],
  ['ReduceL1', nonzero],
  ['ReduceL2'],
  ['ReduceSumSquare'],
  ['ReduceLogSum', positive],
  ['ReduceLogSumExp'],
];

const axesLists: readonly (readonly number[] | undefined)[] = [undefined, [0], [1, 2], [-1], [2, 0]];

const cases: GradientCase[] = operators.flatMap(([op, values]) =>
  [11, 13, 18].flatMap((opset) =>
    axesLists.flatMap((axes) =>
      [0, 1].map((keepdims): GradientCase => ({
        name: `${op} over ${axes ? `[${axes}]` : 'everything'}, keepdims ${keepdims}`,
        opset,
        build: (b, { weight, ints }) => {
          const x = weight('x', [2, 3, 4], values);
          const byInput = opset >= (op === 'ReduceSum' ? 13 : 18);
          const attributes: Record<string, AttributeInput> = { keepdims };
          if (axes && !byInput) attributes['axes'] = axes;
          return b.op(op, axes && byInput ? [x, ints(axes)] : [x], { attributes });
        },
      })),
    ),
  ),
);

const others: GradientCase[] = [
  {
    name: 'ReduceSum that reduces nothing',
    opset: 13,
    build: (b, { weight }) =>
      b.op('ReduceSum', [weight('x', [2, 3])], { attributes: { noop_with_empty_axes: 1 } }),
  },
  ...['ReduceProd', 'ReduceMean', 'ReduceL2', 'ReduceLogSumExp'].map((op): GradientCase => ({
    name: `${op} that reduces nothing`,
    opset: 18,
    build: (b, { weight }) =>
      b.op(op, [weight('x', [2, 3], positive)], { attributes: { noop_with_empty_axes: 1 } }),
  })),
  {
    name: 'ReduceMax where two are largest',
    opset: 13,
    build: (b, { weight, fixed }) => {
      // The tie is broken outside: both grow together.
      const x = b.op('Mul', [weight('s', []), fixed('x', [4], [3, 1, 3, 2])]);
      return b.op('ReduceMax', [x]);
    },
  },
  {
    name: 'ReduceProd with one zero',
    build: (b, { weight }) =>
      b.op('ReduceProd', [weight('x', [2, 3], [2, 0, 3, 1, 4, 2])], { attributes: { axes: [1] } }),
  },
  {
    name: 'ReduceProd with two zeros',
    build: (b, { weight }) => b.op('ReduceProd', [weight('x', [3], [0, 2, 0])]),
  },
  {
    name: 'ReduceL2 of a scaled row',
    build: (b, { weight }) => {
      const x = weight('x', [3, 5]);
      return b.op('Div', [x, b.op('ReduceL2', [x], { attributes: { axes: [1] } })]);
    },
  },
  {
    name: 'ReduceMean over axes from a Constant node',
    opset: 18,
    build: (b, { weight }) => {
      const axes = b.op('Constant', [], { attributes: { value_ints: [1] } });
      return b.op('ReduceMean', [weight('x', [3, 5]), axes], { attributes: { keepdims: 0 } });
    },
  },
];

describe('gradients of reductions', () => claimGradients([...cases, ...others]));
