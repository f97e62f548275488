import { expect } from 'chai';
import { randomFeeds } from '../../src/autodiff/random-feeds.js';
import { tensorValue } from '../../src/onnx/ir.js';
import { createRng } from '../../src/rng.js';
import type { DType } from '../../src/tensor/dtype.js';
import { toFloat32 } from '../../src/tensor/to-float32.js';

const drawn = (dtype: DType) =>
  randomFeeds([tensorValue('x', dtype, [50])], {}, undefined, createRng(1))['x']!;

describe('Random feeds', () => {
  for (const dtype of ['float16', 'bfloat16', 'float64'] as const)
    it(`are the same normal numbers in ${dtype} as in float32, but for rounding`, () => {
      const expected = drawn('float32').data;
      for (const [i, value] of toFloat32(drawn(dtype)).entries())
        expect(value).to.be.closeTo(Number(expected[i]), 0.01 * Math.abs(Number(expected[i])));
    });

  it('are refused for an input of strings, by its name', () => {
    expect(() => drawn('string')).to.throw('Input "x" takes strings, which cannot be drawn at random.');
  });
});
