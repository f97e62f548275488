import { expect } from 'chai';
import { inputScale } from '../../src/graph/input-scale.js';
import { guessPreprocess } from '../../src/models/guess-preprocess.js';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import { float32 } from '../../src/tensor/tensor.js';

describe('What a model does to its input first', () => {
  type Step = readonly ['Mul' | 'Div' | 'Sub' | 'Add' | 'Transpose', (readonly number[])?];
  const scaleOf = (steps: readonly Step[]) => {
    const b = new GraphBuilder();
    let value = b.input('x', 'float32', ['batch', 3, 32, 32]);
    for (const [operator, numbers] of steps) {
      const dims = numbers?.length === 3 ? [1, 3, 1, 1] : [];
      const by = numbers ? [b.constant('by', float32(dims, numbers))] : [];
      value = b.op(operator, [value, ...by], numbers ? {} : { attributes: { perm: [0, 1, 2, 3] } });
    }
    const kernel = b.constant('kernel', float32([1, 3, 1, 1], [1, 2, 3]));
    b.output(b.op('Conv', [value, kernel]), 'float32', undefined, 'maps');
    return inputScale(b.model().graph, 'x');
  };
  const guessed = (steps: readonly Step[]) =>
    guessPreprocess({ name: 'x', shape: [1, 3, 32, 32], dtype: 'float32', scale: scaleOf(steps) });

  it('is found through operators that only move numbers', () => {
    expect(scaleOf([['Transpose'], ['Mul', [2]], ['Sub', [1, 2, 3]]])).to.deep.equal({
      slope: 2,
      offset: -2,
    });
    expect(scaleOf([['Transpose']])).to.equal(undefined);
  });

  const cases: readonly (readonly [string, readonly Step[], number, number])[] = [
    ['levels, where it divides by 255', [['Mul', [1 / 255]]], 1, 0],
    [
      'levels, where it makes them -1 to 1',
      [
        ['Div', [127.5]],
        ['Sub', [1]],
      ],
      1,
      0,
    ],
    ['levels, where it subtracts means of levels', [['Sub', [103.9, 116.8, 123.7]]], 1, 0],
    [
      '0 to 1, where it subtracts means of these',
      [
        ['Sub', [0.485, 0.456, 0.406]],
        ['Div', [0.229, 0.224, 0.225]],
      ],
      1 / 255,
      0,
    ],
    ['0 to 1, where it multiplies by 255', [['Mul', [255]]], 1 / 255, 0],
    [
      "ImageNet's normalisation, where it undoes one to -1 to 1",
      [
        ['Mul', [0.5]],
        ['Add', [0.5]],
      ],
      1 / 255,
      0.485,
    ],
    ["ImageNet's normalisation, where it does nothing", [], 1 / 255, 0.485],
  ];
  for (const [claim, steps, scale, mean] of cases) {
    it(`has it given ${claim}`, () => {
      const { spec, explanation } = guessed(steps);
      expect(spec.scale).to.equal(scale);
      expect(spec.mean[0]).to.equal(mean);
      expect(/as the model scales them itself/.test(explanation)).to.equal(mean === 0);
    });
  }
});
