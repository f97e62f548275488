import { expectAdjoint } from './expect-adjoint.js';
import type { AttributeInput } from '../../src/onnx/attributes.js';

interface Convolution {
  readonly name: string;
  readonly x: readonly number[];
  readonly w: readonly number[];
  readonly bias?: number;
  readonly attributes?: Readonly<Record<string, AttributeInput>>;
}

const convolutions: readonly Convolution[] = [
  { name: 'a plain 3x3 kernel', x: [2, 3, 7, 6], w: [5, 3, 3, 3], bias: 5 },
  { name: 'padding of one', x: [2, 3, 7, 6], w: [5, 3, 3, 3], attributes: { pads: [1, 1, 1, 1] } },
  { name: 'asymmetric padding', x: [2, 3, 7, 6], w: [4, 3, 3, 2], bias: 4, attributes: { pads: [0, 1, 2, 0] } },
  { name: 'stride 2 that leaves a row', x: [2, 3, 8, 7], w: [4, 3, 3, 3], attributes: { strides: [2, 2] } },
  { name: 'stride 3 with a small kernel', x: [1, 2, 12, 11], w: [3, 2, 2, 2], bias: 3, attributes: { strides: [3, 3] } },
  { name: 'strides and pads that differ by axis', x: [2, 2, 9, 10], w: [3, 2, 3, 5], attributes: { strides: [1, 2], pads: [1, 2, 1, 2] } },
  { name: 'dilation 2', x: [2, 3, 9, 8], w: [4, 3, 3, 3], bias: 4, attributes: { dilations: [2, 2], pads: [2, 2, 2, 2] } },
  { name: 'dilation and stride together', x: [2, 2, 11, 13], w: [3, 2, 3, 3], attributes: { dilations: [2, 3], strides: [3, 2], pads: [1, 0, 1, 2] } },
  { name: 'two groups', x: [2, 4, 6, 7], w: [6, 2, 3, 3], bias: 6, attributes: { group: 2, pads: [1, 1, 1, 1] } },
  { name: 'two groups, stride and dilation', x: [2, 4, 9, 9], w: [6, 2, 3, 3], attributes: { group: 2, strides: [2, 2], dilations: [2, 2], pads: [2, 2, 2, 2] } },
  { name: 'a depthwise kernel', x: [2, 5, 7, 7], w: [5, 1, 3, 3], bias: 5, attributes: { group: 5, pads: [1, 1, 1, 1] } },
  { name: 'a depthwise kernel of stride 2', x: [2, 5, 8, 8], w: [5, 1, 5, 5], attributes: { group: 5, strides: [2, 2], pads: [2, 2, 2, 2] } },
  { name: 'a depthwise kernel with multiplier 2', x: [2, 3, 7, 6], w: [6, 1, 3, 3], bias: 6, attributes: { group: 3, pads: [1, 1, 1, 1] } },
  { name: 'a pointwise kernel', x: [2, 3, 5, 4], w: [4, 3, 1, 1], bias: 4 },
  { name: 'a pointwise kernel on single pixels', x: [2, 3, 1, 1], w: [4, 3, 1, 1], bias: 4 },
  { name: 'a pointwise kernel of stride 2', x: [2, 3, 7, 6], w: [4, 3, 1, 1], attributes: { strides: [2, 2] } },
  { name: 'a pointwise kernel with padding', x: [2, 3, 5, 4], w: [4, 3, 1, 1], attributes: { pads: [1, 0, 0, 2] } },
  { name: 'a grouped pointwise kernel', x: [2, 4, 5, 4], w: [6, 2, 1, 1], bias: 6, attributes: { group: 2 } },
  { name: 'patches', x: [2, 3, 8, 12], w: [5, 3, 4, 4], bias: 5, attributes: { strides: [4, 4] } },
  { name: 'a kernel as large as the input', x: [2, 3, 5, 4], w: [4, 3, 5, 4], bias: 4 },
  { name: 'one axis', x: [2, 3, 9], w: [4, 3, 3], bias: 4, attributes: { strides: [2], pads: [1, 0] } },
  { name: 'one axis, pointwise', x: [2, 3, 9], w: [4, 3, 1] },
  { name: 'three axes', x: [1, 2, 5, 6, 4], w: [4, 1, 3, 2, 3], bias: 4, attributes: { group: 2, strides: [2, 1, 1], pads: [1, 0, 1, 1, 1, 1] } },
  { name: 'auto_pad SAME_UPPER', x: [2, 3, 8, 7], w: [4, 3, 3, 2], attributes: { auto_pad: 'SAME_UPPER', strides: [2, 2] } },
  { name: 'auto_pad SAME_LOWER', x: [2, 3, 8, 7], w: [4, 3, 3, 2], attributes: { auto_pad: 'SAME_LOWER', strides: [2, 2] } },
  { name: 'auto_pad SAME_UPPER, pointwise, stride 2', x: [2, 3, 8, 7], w: [4, 3, 1, 1], attributes: { auto_pad: 'SAME_UPPER', strides: [2, 2] } },
  { name: 'many channels', x: [2, 10, 5, 6], w: [9, 10, 3, 3], bias: 9, attributes: { pads: [1, 1, 1, 1] } },
  { name: 'many channels, asymmetric padding, an even kernel', x: [2, 9, 5, 6], w: [9, 9, 2, 3], attributes: { pads: [0, 1, 1, 0] } },
  { name: 'many channels and stride 2 that leaves a row', x: [2, 9, 6, 7], w: [10, 9, 3, 3], attributes: { strides: [2, 2] } },
  { name: 'many channels, dilation and stride', x: [2, 9, 9, 8], w: [9, 9, 3, 2], attributes: { dilations: [2, 3], strides: [2, 1], pads: [2, 0, 1, 1] } },
  { name: 'many channels and dilation', x: [2, 9, 7, 6], w: [9, 9, 3, 2], attributes: { dilations: [2, 3], pads: [2, 1, 1, 0] } },
  { name: 'many channels and more padding than the kernel is long', x: [2, 9, 3, 3], w: [9, 9, 2, 2], attributes: { pads: [2, 2, 2, 2] } },
  { name: 'many channels on one axis', x: [2, 9, 6], w: [9, 9, 3], attributes: { pads: [1, 1] } },
  { name: 'many channels and a pointwise kernel of stride 2', x: [2, 9, 5, 4], w: [9, 9, 1, 1], attributes: { strides: [2, 2] } },
  { name: 'auto_pad VALID', x: [2, 3, 8, 7], w: [4, 3, 3, 2], attributes: { auto_pad: 'VALID' } },
]; // prettier-ignore

const transposed: readonly Convolution[] = [
  { name: 'a plain 3x3 kernel', x: [2, 3, 4, 5], w: [3, 4, 3, 3], bias: 4 },
  { name: 'stride 2 and padding', x: [2, 3, 4, 5], w: [3, 4, 3, 3], attributes: { strides: [2, 2], pads: [1, 1, 1, 1] } },
  { name: 'output padding', x: [2, 3, 4, 5], w: [3, 4, 3, 3], bias: 4, attributes: { strides: [2, 3], pads: [1, 1, 1, 1], output_padding: [1, 2] } },
  { name: 'an output shape beyond the last window', x: [2, 3, 4, 5], w: [3, 4, 3, 3], bias: 4, attributes: { strides: [2, 2], output_shape: [10, 12] } },
  { name: 'asymmetric padding', x: [2, 3, 4, 5], w: [3, 4, 3, 2], attributes: { strides: [2, 2], pads: [0, 1, 2, 0] } },
  { name: 'many channels, stride 2 and padding', x: [2, 9, 3, 4], w: [9, 10, 3, 3], attributes: { strides: [2, 2], pads: [1, 1, 1, 1] } },
  { name: 'an output shape', x: [2, 3, 4, 5], w: [3, 4, 3, 3], attributes: { strides: [2, 2], output_shape: [8, 10] } },
  { name: 'an output shape, more at the end', x: [2, 3, 4, 5], w: [3, 4, 3, 3], attributes: { strides: [2, 2], output_shape: [8, 10], auto_pad: 'SAME_UPPER' } },
  { name: 'auto_pad SAME_UPPER', x: [2, 3, 4, 5], w: [3, 4, 3, 3], attributes: { strides: [2, 2], auto_pad: 'SAME_UPPER' } },
  { name: 'auto_pad SAME_LOWER', x: [2, 3, 4, 5], w: [3, 4, 3, 3], attributes: { strides: [2, 2], auto_pad: 'SAME_LOWER' } },
  { name: 'groups and dilation', x: [2, 4, 4, 5], w: [4, 3, 3, 3], bias: 6, attributes: { group: 2, strides: [2, 1], dilations: [1, 2] } },
  { name: 'a depthwise kernel', x: [2, 4, 4, 5], w: [4, 1, 4, 4], bias: 4, attributes: { group: 4, strides: [2, 2], pads: [1, 1, 1, 1] } },
  { name: 'a pointwise kernel', x: [2, 3, 4, 5], w: [3, 4, 1, 1], bias: 4 },
  { name: 'one axis', x: [2, 3, 6], w: [3, 4, 3], bias: 4, attributes: { strides: [2], pads: [1, 0] } },
  { name: 'three axes', x: [1, 2, 3, 4, 3], w: [2, 3, 2, 2, 3], attributes: { strides: [2, 1, 1] } },
]; // prettier-ignore

describe('The gradient of', () => {
  for (const [opType, cases] of [['Conv', convolutions], ['ConvTranspose', transposed]] as const) {
    for (const { name, x, w, bias, attributes = {} } of cases) {
      for (const opset of [9, 13, 25]) {
        it(`${opType} with ${name} is its adjoint at opset ${opset}`, async () => {
          await expectAdjoint({
            inputs: { x, w, ...(bias && { b: [bias] }) },
            batched: ['x'],
            opset,
            forward: (builder) => builder.op(opType, ['x', 'w', ...(bias ? ['b'] : [])], { attributes }),
          });
        });
      }
    }
  }
}); // prettier-ignore
