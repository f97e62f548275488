import type { AttributeInput } from '../../src/onnx/attributes.js';
import { claimGradients, type GradientCase } from './expect-gradients.js';

interface Activation {
  readonly op: string;
  readonly opsets: readonly number[];
  readonly attributes?: Readonly<Record<string, AttributeInput>>;
}

const float = (value: number): AttributeInput => ({ float: value });

const activations: readonly Activation[] = [
  { op: 'Relu', opsets: [7, 13, 25] },
  { op: 'LeakyRelu', opsets: [7, 16, 25] },
  { op: 'LeakyRelu', opsets: [8, 17], attributes: { alpha: float(0.3) } },
  { op: 'LeakyRelu', opsets: [9, 17], attributes: { alpha: float(1.5) } },
  { op: 'LeakyRelu', opsets: [9, 17], attributes: { alpha: float(-0.5) } },
  { op: 'ThresholdedRelu', opsets: [10, 17, 25], attributes: { alpha: float(0.4) } },
  { op: 'Shrink', opsets: [9, 17, 25], attributes: { lambd: float(0.4), bias: float(0.2) } },
  { op: 'Elu', opsets: [7, 17, 25], attributes: { alpha: float(0.7) } },
  { op: 'Selu', opsets: [7, 17, 25] },
  { op: 'Selu', opsets: [17], attributes: { alpha: float(1.2), gamma: float(0.8) } },
  { op: 'Celu', opsets: [12, 17, 25], attributes: { alpha: float(1.6) } },
  { op: 'Celu', opsets: [17] },
  { op: 'Sigmoid', opsets: [7, 13, 25] },
  { op: 'Tanh', opsets: [7, 13, 25] },
  { op: 'HardSigmoid', opsets: [7, 17, 25] },
  { op: 'HardSigmoid', opsets: [17], attributes: { alpha: float(1 / 6), beta: float(0.4) } },
  { op: 'HardSwish', opsets: [14, 17, 25] },
  { op: 'Softplus', opsets: [7, 17, 25] },
  { op: 'Softsign', opsets: [7, 17, 25] },
  { op: 'Mish', opsets: [18, 22, 25] },
  { op: 'Swish', opsets: [24], attributes: { alpha: float(1.4) } },
  { op: 'Swish', opsets: [24] },
  { op: 'Erf', opsets: [9, 13, 21] },
  { op: 'Gelu', opsets: [20, 21, 25] },
  { op: 'Gelu', opsets: [20, 21, 25], attributes: { approximate: 'tanh' } },
  { op: 'com.microsoft:Gelu', opsets: [11, 17] },
  { op: 'com.microsoft:QuickGelu', opsets: [17], attributes: { alpha: float(1.3) } },
];

const plain: GradientCase[] = activations.flatMap(({ op, opsets, attributes = {} }) =>
  opsets.map((opset): GradientCase => {
    const [domain = '', opType = op] = op.includes(':') ? op.split(':') : ['', op];
    return {
      name: `${op} ${Object.entries(attributes).map(([name, value]) => `${name}=${JSON.stringify(value)}`)}`.trim(),
      opset,
      domains: { 'com.microsoft': 1 },
      // Twice the normal spread, to reach the flat ends.
      build: (b, { weight }) => b.op(opType, [weight('x', [5, 7], (z) => 2 * z)], { domain, attributes }),
    };
  }),
);

const others: GradientCase[] = [
  ...['BiasGelu', 'FastGelu'].map((op): GradientCase => ({
    name: `com.microsoft:${op} with a bias`,
    domains: { 'com.microsoft': 1 },
    build: (b, { weight }) =>
      b.op(op, [weight('x', [2, 3, 5]), weight('bias', [5])], { domain: 'com.microsoft' }),
  })),
  {
    name: 'com.microsoft:FastGelu without a bias',
    domains: { 'com.microsoft': 1 },
    build: (b, { weight }) => b.op('FastGelu', [weight('x', [2, 5])], { domain: 'com.microsoft' }),
  },
  ...[7, 9, 16].map((opset): GradientCase => ({
    name: 'PRelu with a slope for each channel',
    opset,
    build: (b, { weight }) => b.op('PRelu', [weight('x', [2, 3, 2, 3]), weight('slope', [3, 1, 1])]),
  })),
  {
    name: 'hard swish as older exporters write it',
    opset: 11,
    build: (b, { weight, fixed }) => {
      const x = weight('x', [4, 5], (z) => 3 * z);
      const shifted = b.op('Add', [x, fixed('three', [], [3])]);
      const clipped = b.op('Clip', [shifted, fixed('low', [], [0]), fixed('high', [], [6])]);
      return b.op('Div', [b.op('Mul', [x, clipped]), fixed('six', [], [6])]);
    },
  },
];

describe('gradients of activations', () => claimGradients([...plain, ...others]));
