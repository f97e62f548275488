import type { AttributeInput } from '../../src/onnx/attributes.js';
import type { GraphBuilder } from '../../src/onnx/graph-builder.js';
import { int64, type Tensor } from '../../src/tensor/tensor.js';
import { expectAdjoint } from './expect-adjoint.js';
import { claimGradients } from './expect-gradients.js';

interface Pooling {
  readonly name: string;
  readonly x: readonly number[];
  readonly attributes: Readonly<Record<string, AttributeInput>>;
  /** First opset that knows the attributes. */
  readonly since?: number;
}

const averages: readonly Pooling[] = [
  { name: '2x2 halves', x: [2, 3, 6, 8], attributes: { kernel_shape: [2, 2], strides: [2, 2] } },
  { name: 'overlap', x: [2, 3, 7, 6], attributes: { kernel_shape: [3, 3], strides: [2, 2] } },
  { name: 'padding left out of the mean', x: [2, 3, 7, 6], attributes: { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] } },
  { name: 'padding counted as zeros', x: [2, 3, 7, 6], attributes: { kernel_shape: [3, 3], pads: [1, 1, 1, 1], count_include_pad: 1 } },
  { name: 'asymmetric padding counted', x: [2, 3, 7, 6], attributes: { kernel_shape: [3, 2], strides: [1, 2], pads: [0, 1, 2, 0], count_include_pad: 1 } },
  { name: 'ceil mode', x: [2, 3, 6, 9], attributes: { kernel_shape: [3, 2], strides: [2, 2], ceil_mode: 1 }, since: 10 },
  { name: 'ceil mode with padding counted', x: [2, 3, 6, 9], attributes: { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1], ceil_mode: 1, count_include_pad: 1 }, since: 10 },
  { name: 'dilation', x: [2, 3, 9, 8], attributes: { kernel_shape: [3, 2], dilations: [2, 3], pads: [1, 1, 1, 1] }, since: 19 },
  { name: 'auto_pad SAME_UPPER', x: [2, 3, 8, 7], attributes: { kernel_shape: [3, 2], strides: [2, 2], auto_pad: 'SAME_UPPER' } },
  { name: 'auto_pad SAME_LOWER', x: [2, 3, 8, 7], attributes: { kernel_shape: [3, 2], strides: [2, 2], auto_pad: 'SAME_LOWER' } },
  { name: 'one axis', x: [2, 3, 9], attributes: { kernel_shape: [3], strides: [2] } },
  { name: 'a window in one of two axes', x: [2, 3, 9, 5], attributes: { kernel_shape: [1, 3], strides: [1, 2] } },
  { name: 'a step without a window', x: [2, 3, 7, 6], attributes: { kernel_shape: [1, 1], strides: [2, 2] } },
  { name: 'three axes', x: [2, 2, 5, 4, 6], attributes: { kernel_shape: [2, 3, 3], strides: [2, 1, 2], pads: [0, 1, 1, 1, 1, 0] } },
]; // prettier-ignore

const maxima: readonly Pooling[] = [
  { name: '2x2 halves', x: [2, 3, 6, 8], attributes: { kernel_shape: [2, 2], strides: [2, 2] } },
  { name: 'overlap and padding', x: [2, 3, 7, 6], attributes: { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] } },
  { name: 'asymmetric padding', x: [2, 3, 7, 6], attributes: { kernel_shape: [3, 2], pads: [0, 1, 2, 0] } },
  { name: 'ceil mode', x: [2, 3, 6, 9], attributes: { kernel_shape: [3, 2], strides: [2, 2], ceil_mode: 1 }, since: 10 },
  { name: 'dilation', x: [2, 3, 9, 8], attributes: { kernel_shape: [3, 2], dilations: [2, 3], pads: [1, 1, 1, 1] }, since: 10 },
  { name: 'auto_pad SAME_LOWER', x: [2, 3, 8, 7], attributes: { kernel_shape: [3, 2], strides: [2, 2], auto_pad: 'SAME_LOWER' } },
  { name: 'one axis', x: [2, 3, 9], attributes: { kernel_shape: [3], strides: [2] } },
  { name: 'three axes', x: [2, 2, 5, 4, 6], attributes: { kernel_shape: [2, 3, 3], strides: [2, 1, 2], pads: [0, 1, 1, 1, 1, 0] } },
]; // prettier-ignore

const norms: readonly Pooling[] = [
  { name: 'LpPool of halves', x: [2, 3, 6, 8], attributes: { kernel_shape: [2, 2], strides: [2, 2] } },
  { name: 'LpPool by the third power with padding', x: [2, 3, 7, 6], attributes: { p: 3, kernel_shape: [3, 2], strides: [1, 2], pads: [0, 1, 2, 0] } },
  { name: 'LpPool by the first power', x: [2, 3, 8, 7], attributes: { p: 1, kernel_shape: [3, 2], strides: [2, 2], auto_pad: 'SAME_UPPER' } },
  { name: 'LpPool with dilation', x: [2, 3, 9, 8], attributes: { kernel_shape: [3, 2], dilations: [2, 3] }, since: 19 },
  { name: 'LpPool of one axis', x: [2, 3, 9], attributes: { kernel_shape: [3], strides: [2] } },
  { name: 'GlobalLpPool', x: [2, 3, 5, 4], attributes: { p: 2 } },
]; // prettier-ignore

/** One place of each 2x2 window of [2, 3, 6, 8], as MaxPool tells it: in the whole of the tensor. */
function places(): Tensor {
  const found: number[] = [];
  for (let plane = 0; plane < 6; plane++) {
    for (let i = 0; i < 12; i++) {
      const [row, column] = [2 * (i >> 2) + (i % 2), 2 * (i % 4) + ((i >> 1) % 2)];
      found.push(plane * 48 + row * 8 + column);
    }
  }
  return int64([2, 3, 3, 4], found);
}

describe('gradients of MaxUnpool', () => {
  const attributes = { kernel_shape: [2, 2], strides: [2, 2] };
  claimGradients(
    [11, 18, 22].flatMap((opset) =>
      [false, true].map((isShaped) => ({
        name: isShaped ? 'MaxUnpool of a given shape' : 'MaxUnpool',
        opset,
        build: (b, { weight }) => {
          const shape = isShaped ? [b.constant('shape', int64([4], [2, 3, 6, 8]))] : [];
          return b.op('MaxUnpool', [weight('x', [2, 3, 3, 4]), b.constant('places', places()), ...shape], {
            attributes,
          });
        },
      })),
    ),
  );
});

describe('gradients of norms over windows', () => {
  claimGradients(
    norms.flatMap(({ name, x, attributes, since = 7 }) =>
      [11, 18, 22]
        // ONNX Runtime has no kernel of GlobalLpPool from opset 22.
        .filter((opset) => opset >= since && (name !== 'GlobalLpPool' || opset < 22))
        .map((opset) => ({
          name,
          opset,
          build: (b, { weight }) => b.op(name.split(' ')[0]!, [weight('x', x, awayFromZero)], { attributes }),
        })),
    ),
  );
});

/** |x| has a kink there. */
function awayFromZero(z: number): number {
  return z + Math.sign(z) * 0.3;
}

describe('The gradient of', () => {
  for (const { name, x, attributes, since = 7 } of averages) {
    for (const opset of [9, 13, 25].filter((opset) => opset >= since)) {
      it(`AveragePool with ${name} is its adjoint at opset ${opset}`, async () => {
        const forward = (builder: GraphBuilder) => builder.op('AveragePool', ['x'], { attributes });
        await expectAdjoint({ inputs: { x }, batched: ['x'], opset, forward });
      });
    }
  }
  for (const x of [[2, 3, 7, 6], [2, 3, 9], [2, 3, 4, 3, 5]]) {
    it(`GlobalAveragePool of ${x.length - 2} axes is its adjoint`, async () => {
      await expectAdjoint({ inputs: { x }, batched: ['x'], forward: (b) => b.op('GlobalAveragePool', ['x']) });
    });
  }
  for (const opset of [9, 13, 25]) {
    it(`GlobalMaxPool is its adjoint at opset ${opset}`, async () => {
      const forward = (builder: GraphBuilder) => builder.op('GlobalMaxPool', ['x']);
      await expectAdjoint({ inputs: { x: [2, 3, 7, 6] }, batched: ['x'], opset, forward, picks: true });
    });
  }
  for (const { name, x, attributes, since = 8 } of maxima) {
    for (const opset of [9, 13, 25].filter((opset) => opset >= since)) {
      it(`MaxPool with ${name} is its adjoint at opset ${opset}`, async () => {
        const forward = (builder: GraphBuilder) => builder.op('MaxPool', ['x'], { attributes });
        await expectAdjoint({ inputs: { x }, batched: ['x'], opset, forward, picks: true });
      });
    }
  }
}); // prettier-ignore
