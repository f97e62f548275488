import { expect } from 'chai';
import { guessPreprocess } from '../../src/models/guess-preprocess.js';

describe('A guessed preprocessing', () => {
  const guess = (shape: readonly number[], dtype: 'float32' | 'uint8' = 'float32') =>
    guessPreprocess({ name: 'x', shape, dtype });

  it("is ImageNet's for a square input, in the input's size and layout, and is said", () => {
    for (const [shape, layout, size] of [
      [[1, 3, 224, 224], 'nchw', 224],
      [[1, 384, 384, 3], 'nhwc', 384],
    ] as const) {
      const { spec, explanation } = guess(shape);
      expect(spec.layout).to.equal(layout);
      expect(spec.crop).to.deep.equal({ width: size, height: size });
      expect(spec.resize!.width).to.equal(Math.round((size * 256) / 224));
      expect(spec.mean).to.deep.equal([0.485, 0.456, 0.406]);
      expect(explanation).to.match(new RegExp(`is a guess: ${size}x${size}, RGB.*--preprocess`));
    }
  });

  it('is a plain resize where the input is not square', () => {
    const { spec } = guess([1, 3, 240, 320]);
    expect(spec.resize).to.deep.equal({ width: 320, height: 240, fit: 'fill', kernel: 'bilinear' });
    expect(spec.crop).to.equal(null);
  });

  it('leaves pixels as they are for an input of bytes, and takes the luma for one channel', () => {
    expect(guess([1, 3, 64, 64], 'uint8').spec).to.include({ scale: 1 });
    expect(guess([1, 1, 28, 28]).spec.channelOrder).to.equal('gray');
  });

  it('refuses what is no image, naming the input and its shape', () => {
    expect(() => guess([1, 128])).to.throw(/"x" of shape \[1,128\] does not look like an image/);
  });
});
