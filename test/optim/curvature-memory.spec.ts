import { expect } from 'chai';
import { CurvatureMemory, type CurvaturePair } from '../../src/optim/curvature-memory.js';
import { dotRange } from '../../src/optim/vector.js';
import { VectorSpace } from '../../src/optim/vector-space.js';
import { createRng } from '../../src/rng.js';

const size = 1237;
const rng = createRng(4);
const draw = () => Float64Array.from({ length: size }, () => rng.normal());
/** A bowl with curvatures from 1 to 1000, in whose gradients every step shows. */
const slopeAt = (x: Float64Array) => x.map((xi, i) => xi * 10 ** ((3 * i) / size));
const points = Array.from({ length: 9 }, draw);

/** A memory of four pairs in a space of its own, which takes and gives vectors outside it. */
function openMemory(given: readonly CurvaturePair[] = []) {
  const needs = CurvatureMemory.needs(4);
  const space = new VectorSpace(size, needs.vectors + 5, needs.bytes);
  const memory = new CurvatureMemory(space, 4, given);
  const held = Array.from({ length: 4 }, () => space.take());
  const into = space.take();
  return {
    memory,
    add(...vectors: [Float64Array, Float64Array, Float64Array, Float64Array]): void {
      held.forEach((vector, i) => vector.set(vectors[i]!));
      memory.add(...(held as unknown as typeof vectors));
    },
    direction(gradient: Float64Array): Float64Array {
      held[0]!.set(gradient);
      memory.direction(held[0]!, into);
      return into.slice();
    },
  };
}

function remember({ add }: ReturnType<typeof openMemory>, from: number, to: number): void {
  for (let i = from + 1; i <= to; i++) {
    const [x, before] = [points[i]!, points[i - 1]!];
    add(x, before, slopeAt(x), slopeAt(before));
  }
}

/** Algorithm 7.4 of Nocedal & Wright as it stands there, times -1. */
function twoLoops(gradient: Float64Array, pairs: readonly CurvaturePair[]): Float64Array {
  const q = gradient.slice();
  const alphas = new Map<CurvaturePair, number>();
  const add = (scale: number, v: Float64Array) => v.forEach((vi, i) => (q[i]! += scale * vi));
  for (const pair of pairs.toReversed()) {
    const alpha = dot(pair.s, q) / pair.sy;
    alphas.set(pair, alpha);
    add(-alpha, pair.y);
  }
  const { sy, yy } = pairs.at(-1)!;
  for (let i = 0; i < size; i++) q[i]! *= sy / yy;
  for (const pair of pairs) add(alphas.get(pair)! - dot(pair.y, q) / pair.sy, pair.s);
  return q.map((qi) => -qi);
}

const dot = (a: Float64Array, b: Float64Array): number => dotRange(a, 0, b, 0, a.length);

describe('The curvature memory of L-BFGS', () => {
  it('gives the direction of the two-loop recursion, before and after it forgot its oldest pairs', () => {
    const opened = openMemory();
    const { memory, direction } = opened;
    for (let i = 1; i < points.length; i++) {
      remember(opened, i - 1, i);
      expect(memory.pairs).to.have.length(Math.min(4, i));
      const gradient = slopeAt(points[i]!);
      const found = direction(gradient);
      const wanted = twoLoops(gradient, memory.pairs);
      const apart = Math.sqrt(found.reduce((sum, f, k) => sum + (f - wanted[k]!) ** 2, 0));
      expect(apart / Math.sqrt(dot(wanted, wanted)), `after ${i} steps`).to.be.below(1e-12);
    }
  });

  it('goes on with the same bits from pairs that were taken out of it', () => {
    const whole = openMemory();
    remember(whole, 0, 5);
    whole.direction(slopeAt(points[5]!));
    const resumed = openMemory(whole.memory.pairs);
    for (const opened of [whole, resumed]) remember(opened, 5, 6);
    const gradient = slopeAt(points[6]!);
    expect(resumed.direction(gradient)).to.deep.equal(whole.direction(gradient));
  });

  it('forgets everything when it is cleared, and remembers no step without curvature', () => {
    const opened = openMemory();
    const { memory, add, direction } = opened;
    remember(opened, 0, 3);
    memory.clear();
    const [x, before] = [points[1]!, points[0]!];
    add(x, before, before, x);
    expect(memory.pairs).to.have.length(0);
    expect(direction(x)).to.deep.equal(x.map((xi) => -xi));
  });
});
