/**
 * Finds the directions in which the curvature of a linear layer is largest, for a change of variables that evens it out.
 * Features of networks mostly vary along few of them: on image features a fit takes a third of the iterations.
 *
 * The directions span what a few products with M leave of random vectors: Halko, Martinsson, Tropp, Finding structure with
 * randomness, SIAM Review 53 (2011), algorithm 4.4. A sample of examples stands for all, drawn by their curvature.
 */
import { GraphBuilder } from '../onnx/graph-builder.js';
import { encodeModel } from '../onnx/write-model.js';
import { orthonormalize } from '../optim/orthonormalize.js';
import { dotRange } from '../optim/vector.js';
import { createRng } from '../rng.js';
import { addSquares, scaleRows } from '../simd/matrix-rows.js';
import { openSession } from '../runtime/open-session.js';
import { checked, float32 } from '../tensor/tensor.js';
import type { AnyFeatureSet } from './feature-set.js';
import { trainingOpset } from './gradient-graph.js';
import type { ParameterLayout } from './parameter-layout.js';
import { rowsInMemory } from './row-source.js';
import { sampleByWeight } from './sample-by-weight.js';
import { type CurvatureSketch, openBasisMaker, type WeightBasis } from './weight-basis.js';

export interface BasisFinder {
  /**
   * @param curvature - D, [rows]
   * @param penalty - the diagonal of Λ, [dim]
   * @param near - a basis found for other curvature, where there is one: the next takes a pass less
   * @returns undefined where there is no curvature, rounding leaves it not positive definite, or features are too many
   */
  find(curvature: Float32Array, penalty: Float64Array, near?: WeightBasis): Promise<WeightBasis | undefined>;
  /** A basis that was found before. */
  restore(sketch: CurvatureSketch): WeightBasis | undefined;
  release(): Promise<void>;
}

/** On image features, 128 took 8 % fewer iterations than 64, and 32 a sixth more. */
const mostDirections = 64;
/** Examples by which curvature is measured. Half of them took 2 to 20 % more iterations, twice as many up to 6 % fewer. */
const sampleSize = 1024;
/** Most features: the sample and the directions take 6 kB for each. */
const mostFeatures = 2 ** 16;
/** Products with M before the one that measures the curvature. */
const powers = { ofRandom: 2, ofEarlier: 1 };
/** Least curvature, as a share of that of a mean feature, and of the direction of most. */
const leastCurvature = 1e-6;

/** @param part - name of the weights among the layout's parts */
export async function openBasisFinder(
  train: AnyFeatureSet,
  layout: ParameterLayout,
  part: string,
  threads?: number,
): Promise<BasisFinder> {
  const { dim, features } = train;
  const source = features instanceof Float32Array ? rowsInMemory(features, dim) : features;
  const [session, maker] = await Promise.all([
    openSession(encodeModel(gramGraph(dim).model()), threads === undefined ? {} : { threads }),
    openBasisMaker(layout, part),
  ]);

  /** √D X of a sample, [examples, dim]: S with Sᵀ S near Xᵀ D X. */
  async function sample(curvature: Float32Array): Promise<Float32Array> {
    const { rows, weights } = sampleByWeight(curvature, sampleSize);
    const values = new Float32Array(rows.length * dim);
    await source.read(rows, values);
    for (let i = 0, at = 0; i < rows.length; i++) {
      const factor = Math.sqrt(weights[i]!);
      for (const end = at + dim; at < end; at++) values[at]! *= factor;
    }
    return values;
  }

  return {
    async find(curvature, penalty, near) {
      const total = curvature.reduce((sum, value) => sum + value, 0);
      if (!(total > leastCurvature) || dim > mostFeatures) return undefined;
      const values = await sample(curvature);
      const zeros = new Float64Array(dim);
      const squares = new Float64Array(dim);
      addSquares(values, zeros, squares);
      const axes = squares.map((value, d) => 1 / Math.sqrt(value + penalty[d]! || 1));
      scaleRows(values, zeros, axes, values);
      const drag = penalty.map((value, d) => value * axes[d]! ** 2);
      const x = float32([values.length / dim, dim], values);
      /** M times directions, [count, dim]. */
      const times = async (directions: Float64Array): Promise<Float64Array> => {
        const q = float32([directions.length / dim, dim], new Float32Array(directions));
        const found = (await session.run({ x, q })).product!.data as Float32Array;
        const product = new Float64Array(found);
        for (let at = 0; at < product.length; at += dim) {
          for (let d = 0; d < dim; d++) product[at + d]! += drag[d]! * directions[at + d]!;
        }
        return product;
      };
      let q: Float64Array;
      if (dim <= mostDirections) q = identity(dim);
      else {
        q = (near?.sketch.directions.data as Float64Array | undefined) ?? randomRows(mostDirections, dim);
        const rounds = near ? powers.ofEarlier : powers.ofRandom;
        for (let i = 0; i < rounds; i++) q = orthonormalize(await times(q), dim);
      }
      const count = q.length / dim;
      const projected = productOfRows(q, await times(q), dim);
      let rest = dim;
      let most = 0;
      for (let i = 0; i < count; i++) {
        rest -= projected[i * count + i]!;
        most = Math.max(most, projected[i * count + i]!);
      }
      // What float32 rounds to nothing, or below, is not to be divided by.
      for (let i = 0; i < count; i++) projected[i * count + i]! += leastCurvature * most;
      return maker.make({
        directions: checked('float64', [count, dim], q),
        projected: checked('float64', [count, count], projected),
        axes: checked('float64', [dim], axes),
        rest: count < dim ? Math.max(leastCurvature, rest / (dim - count)) : 1,
        biasCurvature: total,
      });
    },
    restore: (sketch) => maker.make(sketch),
    async release() {
      await Promise.all([session.release(), maker.release()]);
    },
  };
}

/** q Xᵀ X, [directions, dim] */
function gramGraph(dim: number): GraphBuilder {
  const builder = new GraphBuilder({ opset: trainingOpset });
  const x = builder.input('x', 'float32', ['examples', dim]);
  const q = builder.input('q', 'float32', ['directions', dim]);
  const along = builder.op('Gemm', [x, q], { attributes: { transB: 1 } });
  const product = builder.op('Gemm', [along, x], { attributes: { transA: 1 } });
  builder.output(product, 'float32', ['directions', dim], 'product');
  return builder;
}

/** a bᵀ of matrices [count, length]; the lower triangle, mirrored. */
function productOfRows(a: Float64Array, b: Float64Array, length: number): Float64Array {
  const count = a.length / length;
  const product = new Float64Array(count * count);
  for (let i = 0; i < count; i++) {
    for (let j = 0; j <= i; j++) {
      const value = dotRange(a, i * length, b, j * length, length);
      product[i * count + j] = value;
      product[j * count + i] = value;
    }
  }
  return product;
}

function randomRows(count: number, length: number): Float64Array {
  const rng = createRng(0);
  return Float64Array.from({ length: count * length }, () => rng.normal());
}

function identity(size: number): Float64Array {
  const matrix = new Float64Array(size * size);
  for (let i = 0; i < size; i++) matrix[i * size + i] = 1;
  return matrix;
}
