import { expect } from 'chai';
import { mostVectors, VectorSpace } from '../../src/optim/vector-space.js';

describe('Vectors in one memory', () => {
  it('have the products that their elements give, whatever is left of the last eight', () => {
    const space = new VectorSpace(13, 3);
    const [a, b, into] = [space.take(), space.take(), space.take()];
    a.set(Float64Array.from(a, (_, i) => i - 6));
    b.set(Float64Array.from(b, (_, i) => 0.5 * i));
    expect(space.dot(a, b)).to.equal(a.reduce((sum, value, i) => sum + value * b[i]!, 0));
    expect(space.largestMagnitude(a)).to.equal(6);
    space.addScaled(a, -2, b, into);
    expect(Array.from(into)).to.deep.equal(Array.from(a, (value, i) => value - 2 * b[i]!));
  });

  it('are refused in words where they are more than a memory addresses', () => {
    const size = 2 ** 27;
    expect(() => new VectorSpace(size, mostVectors(size) + 1)).to.throw(
      /L-BFGS works on 4 vectors within 4 GiB, but 134217728 parameters are too many for that; take --solver adamw/,
    );
  });
});
