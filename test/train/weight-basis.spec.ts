import { expect } from 'chai';
import { orthonormalize } from '../../src/optim/orthonormalize.js';
import { dotRange } from '../../src/optim/vector.js';
import { createRng } from '../../src/rng.js';
import { openBasisFinder } from '../../src/train/find-basis.js';
import { layoutParameters } from '../../src/train/parameter-layout.js';
import { sampleByWeight } from '../../src/train/sample-by-weight.js';
import type { WeightBasis } from '../../src/train/weight-basis.js';

const rows = 400;
const columns = 3;

/** Features that mostly vary along a few directions, as those of networks do, and how each example is curved. */
function world(dim: number) {
  const rng = createRng(11);
  const factors = 6;
  const loadings = Float32Array.from({ length: factors * dim }, () => 4 * rng.normal());
  const features = new Float32Array(rows * dim);
  for (let row = 0; row < rows; row++) {
    for (let d = 0; d < dim; d++) features[row * dim + d] = rng.normal();
    for (let k = 0; k < factors; k++) {
      const factor = rng.normal();
      for (let d = 0; d < dim; d++) features[row * dim + d]! += factor * loadings[k * dim + d]!;
    }
  }
  const curvature = Float32Array.from({ length: rows }, () => 0.25 * rng.uniform());
  const penalty = Float64Array.from({ length: dim }, (_, d) => 1 + d / dim);
  const layout = layoutParameters(
    new Map([
      ['head/weight', [dim, columns]],
      ['head/bias', [columns]],
    ]),
  );
  const set = { rows, dim, features, labels: new Int32Array(rows), classes: ['a', 'b', 'c'] };
  const draw = () => Float64Array.from({ length: layout.size }, () => rng.normal());
  return { set, dim, curvature, penalty, layout, draw };
}

async function withBasis(
  { set, layout, curvature, penalty }: ReturnType<typeof world>,
  check: (basis: WeightBasis, later: WeightBasis) => Promise<void>,
): Promise<void> {
  const finder = await openBasisFinder(set, layout, 'head/weight', 1);
  try {
    const basis = (await finder.find(curvature, penalty))!;
    await check(basis, (await finder.find(curvature, penalty, basis))!);
  } finally {
    await finder.release();
  }
}

/** W = T U: (I + P C R) of what `units` make of U; biases as they are. */
async function toWeights({ units, toWeights: mix }: WeightBasis, u: Float64Array): Promise<Float64Array> {
  const [w] = await mix([u.map((value, i) => value * (units[Math.floor(i / columns)] ?? 1))]);
  return w!;
}

/** Tᵀ G, product by product. */
function toGradients({ units, mixing }: WeightBasis, g: Float64Array): Float64Array {
  const [spread, inner, gather] = [mixing.spread, mixing.inner, mixing.gather].map(
    ({ data }) => data as Float64Array,
  );
  const dim = units.length;
  const count = gather!.length / dim;
  const result = g.slice();
  for (let c = 0; c < columns; c++) {
    for (let k = 0; k < count; k++) {
      let along = 0;
      for (let d = 0; d < dim; d++) along += spread![d * count + k]! * g[d * columns + c]!;
      for (let j = 0; j < count; j++) {
        const turned = inner![k * count + j]! * along;
        for (let d = 0; d < dim; d++) result[d * columns + c]! += gather![j * dim + d]! * turned;
      }
    }
    for (let d = 0; d < dim; d++) result[d * columns + c]! *= units[d]!;
  }
  return result;
}

/** How curved the problem is along `u`, in units of a sphere: uᵀ Tᵀ (Xᵀ D X + Λ) T u / uᵀ u, weights alone. */
async function curvatureAlong(
  { set, dim, curvature, penalty }: ReturnType<typeof world>,
  basis: WeightBasis,
  u: Float64Array,
): Promise<number> {
  const alone = u.slice().fill(0, dim * columns);
  const w = await toWeights(basis, alone);
  let sum = 0;
  for (let c = 0; c < columns; c++) {
    for (let row = 0; row < rows; row++) {
      let score = 0;
      for (let d = 0; d < dim; d++) score += set.features[row * dim + d]! * w[d * columns + c]!;
      sum += curvature[row]! * score * score;
    }
    for (let d = 0; d < dim; d++) sum += penalty[d]! * w[d * columns + c]! ** 2;
  }
  return sum / dot(alone, alone);
}

const dot = (a: Float64Array, b: Float64Array): number => dotRange(a, 0, b, 0, a.length);

describe('a basis for the weights of a linear layer', () => {
  for (const dim of [20, 150]) {
    it(`goes to the weights and back, and takes gradients by the transpose (${dim} features)`, async () => {
      const made = world(dim);
      await withBasis(made, async (basis) => {
        const [u, g] = [made.draw(), made.draw()];
        const [w] = await basis.toWeights([u]);
        const [again] = await basis.fromWeights([w!]);
        for (let i = 0; i < u.length; i++) expect(again![i]).to.be.closeTo(u[i]!, 1e-9);
        const product = dot(await toWeights(basis, u), g);
        expect(dot(u, toGradients(basis, g))).to.be.closeTo(product, 1e-9 * Math.abs(product));
      });
    });
  }

  it('makes the curvature 1 in every direction where features are few', async () => {
    const made = world(20);
    await withBasis(made, async (basis) => {
      for (let i = 0; i < 5; i++) {
        expect(await curvatureAlong(made, basis, made.draw())).to.be.closeTo(1, 1e-3);
      }
    });
  });

  it('evens out the directions along which many features vary most, the better once it is near', async () => {
    const made = world(150);
    await withBasis(made, async (basis, later) => {
      const { sketch } = later;
      expect(sketch.directions.dims).to.deep.equal([64, 150]);
      for (const each of [basis, later]) {
        // Along the steepest direction: what the gradient of the curvature's own form points to, again and again.
        let u: Float64Array = made.draw();
        for (let i = 0; i < 8; i++) u = await hessianTimes(made, each, u);
        const most = await curvatureAlong(made, each, u);
        expect(most).to.be.within(1, 4);
      }
    });
  });

  it('is made of what it once followed from', async () => {
    const made = world(150);
    const finder = await openBasisFinder(made.set, made.layout, 'head/weight', 1);
    const basis = (await finder.find(made.curvature, made.penalty))!;
    const u = made.draw();
    expect(await finder.restore(basis.sketch)!.toWeights([u])).to.deep.equal(await basis.toWeights([u]));
    await finder.release();
  });
});

async function hessianTimes(
  { set, dim, curvature, penalty }: ReturnType<typeof world>,
  basis: WeightBasis,
  u: Float64Array,
): Promise<Float64Array> {
  const w = await toWeights(basis, u);
  const g = w.slice().fill(0);
  for (let c = 0; c < columns; c++) {
    for (let row = 0; row < rows; row++) {
      let score = 0;
      for (let d = 0; d < dim; d++) score += set.features[row * dim + d]! * w[d * columns + c]!;
      const pull = curvature[row]! * score;
      for (let d = 0; d < dim; d++) g[d * columns + c]! += pull * set.features[row * dim + d]!;
    }
    for (let d = 0; d < dim; d++) g[d * columns + c]! += penalty[d]! * w[d * columns + c]!;
  }
  const next = toGradients(basis, g);
  const length = Math.sqrt(dot(next, next));
  return next.map((value) => value / length);
}

describe('a sample of rows by weight', () => {
  it('weighs as much as all of them, and has every row that is heavier than a step', () => {
    const rng = createRng(2);
    const weights = Float32Array.from({ length: 5000 }, () => rng.uniform() ** 8);
    const heavy = [17, 2500, 4999];
    for (const row of heavy) weights[row] = 40;
    const sample = sampleByWeight(weights, 300);
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    expect(sample.weights.reduce((sum, weight) => sum + weight, 0)).to.be.closeTo(total, 1e-9 * total);
    expect(sample.rows.length).to.be.within(100, 300);
    for (const row of heavy) {
      const at = sample.rows.indexOf(row);
      expect(sample.weights[at]).to.be.within(40 - total / 300, 40 + total / 300);
    }
    expect([...sample.rows]).to.deep.equal([...new Set(sample.rows)].sort((a, b) => a - b));
  });

  it('is all rows with their own weights where they are few', () => {
    const { rows: taken, weights } = sampleByWeight(Float32Array.of(1, 0, 3), 3);
    expect([[...taken], [...weights]]).to.deep.equal([
      [0, 1, 2],
      [1, 0, 3],
    ]);
  });
});

describe('orthonormal rows', () => {
  it('span what the rows span, without those that depend on others', () => {
    const [a, b] = [
      [3, 0, 4, 0],
      [1, 1, 0, 0],
    ];
    const sum = a.map((value, i) => value - 2 * b[i]!);
    const q = orthonormalize(Float64Array.from([...a, ...b, ...sum, 0, 0, 0, 0]), 4);
    expect(q.length).to.equal(8);
    const row = (i: number) => q.subarray(4 * i, 4 * i + 4);
    expect(dot(row(0), row(0))).to.be.closeTo(1, 1e-14);
    expect(dot(row(1), row(1))).to.be.closeTo(1, 1e-14);
    expect(dot(row(0), row(1))).to.be.closeTo(0, 1e-14);
    const target = Float64Array.from(b);
    const within = dot(target, row(0)) ** 2 + dot(target, row(1)) ** 2;
    expect(within).to.be.closeTo(2, 1e-12);
  });
});
