import { expect } from 'chai';
import { differentiate } from '../../src/autodiff/differentiate.js';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import { int64 } from '../../src/tensor/tensor.js';
import { expectAdjoint } from './expect-adjoint.js';

interface Transform {
  readonly name: string;
  readonly x: readonly number[];
  readonly axis?: number;
  readonly length?: number;
  readonly attributes?: Readonly<Record<string, number>>;
}

const transforms: readonly Transform[] = [
  { name: 'complex numbers', x: [2, 5, 2] },
  { name: 'real numbers', x: [2, 6, 1] },
  { name: 'another axis', x: [2, 4, 3, 2], axis: 2 },
  { name: 'an axis counted from the end', x: [2, 4, 3, 2], axis: -3 },
  { name: 'the inverse', x: [2, 5, 2], attributes: { inverse: 1 } },
  { name: 'one half of an even number of coefficients', x: [2, 6, 1], attributes: { onesided: 1 } },
  {
    name: 'one half of an odd number of coefficients',
    x: [2, 3, 5, 1],
    axis: 2,
    attributes: { onesided: 1 },
  },
  { name: 'a length that cuts off', x: [2, 7, 2], length: 4 },
  { name: 'a length that fills up', x: [2, 3, 1], length: 8, attributes: { inverse: 1 } },
  { name: 'one half of a longer one', x: [2, 3, 1], length: 7, attributes: { onesided: 1 } },
];

describe('The gradient of DFT', () => {
  for (const opset of [17, 20])
    for (const { name, x, axis, length, attributes = {} } of transforms)
      it(`is its adjoint for ${name} (opset ${opset})`, async () => {
        await expectAdjoint({
          inputs: { x },
          batched: ['x'],
          opset,
          forward: (b) => {
            const lengths = length === undefined ? '' : b.constant('length', int64([], [length]));
            if (opset < 20)
              return b.op('DFT', ['x', lengths], { attributes: { ...attributes, axis: axis ?? 1 } });
            // ONNX Runtime crashes at an axis that is named as absent.
            const axes = axis === undefined ? [] : [b.constant('axis', int64([], [axis]))];
            return b.op('DFT', ['x', lengths, ...axes], { attributes });
          },
        });
      });

  it('is refused where one half of the coefficients is transformed back', () => {
    const b = new GraphBuilder({ opset: 20 });
    const x = b.input('x', 'float32', [2, 4, 2]);
    b.op('DFT', [x], { name: 'back', attributes: { inverse: 1, onesided: 1 } });
    const shapes = { x: [2, 4, 2], back: [2, 6, 1] };
    expect(() => differentiate(b.graph(), { loss: 'back', parameters: [x], shapes, opset: 20 })).to.throw(
      /DFT "back" goes back from one half of the coefficients/,
    );
  });
});
