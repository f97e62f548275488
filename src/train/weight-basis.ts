/**
 * A change of variables W = T U for the weights [dim, columns] of a linear layer, in which L-BFGS meets curvature near 1
 * in every direction, not only along the axes as a scale for each feature gives it.
 *
 * The Hessian of a softmax or logistic regression is made of blocks Xᵀ D X + Λ, D holding p (1 - p) of each example. Let
 * M = A (Xᵀ D X + Λ) A be such a block, with A making its diagonal 1. It is known along a few directions Q, the rows of
 * an orthonormal matrix: B = Q M Qᵀ = L Lᵀ; and taken for ρ along all others. Then
 *
 *   T = A / √ρ (I + Qᵀ (√ρ L⁻ᵀ - I) Q),  T⁻¹ = (I + Qᵀ (Lᵀ / √ρ - I) Q) √ρ A⁻¹
 *
 * make Tᵀ (A⁻¹ M A⁻¹) T the identity where that is so. T need not be exact, as it changes no optimum.
 */
import { GraphBuilder } from '../onnx/graph-builder.js';
import { encodeModel } from '../onnx/write-model.js';
import { factorize } from '../optim/cholesky.js';
import { openSession } from '../runtime/open-session.js';
import { checked, type Tensor } from '../tensor/tensor.js';
import { trainingOpset } from './gradient-graph.js';
import type { ParameterLayout } from './parameter-layout.js';

/** What a basis follows from, in float64. */
export interface CurvatureSketch {
  /** Q, [directions, dim]. */
  readonly directions: Tensor;
  /** B, [directions, directions]. */
  readonly projected: Tensor;
  /** A, [dim]. */
  readonly axes: Tensor;
  /** ρ. */
  readonly rest: number;
  /** Σ D: the curvature along what is no weight, the biases. */
  readonly biasCurvature: number;
}

export interface WeightBasis {
  readonly sketch: CurvatureSketch;
  /** From flat vectors whose weights are given as U to those with W = T U. */
  toWeights(vectors: readonly Float64Array[]): Promise<Float64Array[]>;
  /** From gradients by W to those by U: Tᵀ G. */
  toGradients(vectors: readonly Float64Array[]): Promise<Float64Array[]>;
  /** U = T⁻¹ W. */
  fromWeights(vectors: readonly Float64Array[]): Promise<Float64Array[]>;
}

export interface BasisMaker {
  /** @returns undefined where rounding leaves B not positive definite */
  make(sketch: CurvatureSketch): WeightBasis | undefined;
  release(): Promise<void>;
}

/** @param part - name of the weights among the layout's parts */
export async function openBasisMaker(layout: ParameterLayout, part: string): Promise<BasisMaker> {
  const [dim] = layout.parts.find(({ name }) => name === part)!.dims as [number, number];
  // One thread: others would go on waiting for work while the step that follows has theirs to do.
  const session = await openSession(encodeModel(basisGraph(dim).model()), { threads: 1 });
  /** (I + leftᵀ right) · the weights; `before` and `after` scale their rows. */
  const apply = async (
    vectors: readonly Float64Array[],
    { left, right, before, after }: Factors & { before?: Float64Array; after?: Float64Array },
  ): Promise<Float64Array[]> => {
    const columns = layout.stack(vectors, 'float64').get(part)!;
    if (before) scaleRows(columns.data as Float64Array, before);
    const data = (await session.run({ left, right, columns })).product!.data as Float64Array;
    if (after) scaleRows(data, after);
    return vectors.map((vector, i) => layout.withPart(vector, part, data, i, vectors.length));
  };
  return {
    make(sketch) {
      const { directions, projected, axes, rest } = sketch;
      const count = directions.dims[0]!;
      const factor = factorize(projected.data as Float64Array, count);
      if (!factor) return undefined;
      const root = Math.sqrt(rest);
      const scale = (axes.data as Float64Array).map((value) => value / root);
      const whitening = lessIdentity(factor.inverse, root, directions);
      const colouring = lessIdentity(transposed(factor.lower, count), 1 / root, directions);
      const backwards = scale.map((value) => 1 / value);
      return {
        sketch,
        toWeights: (vectors) => apply(vectors, { left: whitening, right: directions, after: scale }),
        toGradients: (vectors) => apply(vectors, { left: directions, right: whitening, before: scale }),
        fromWeights: (vectors) => apply(vectors, { left: directions, right: colouring, before: backwards }),
      };
    },
    release: () => session.release(),
  };
}

interface Factors {
  /** Both [directions, dim]. */
  readonly left: Tensor;
  readonly right: Tensor;
}

function basisGraph(dim: number): GraphBuilder {
  const builder = new GraphBuilder({ opset: trainingOpset });
  const left = builder.input('left', 'float64', ['directions', dim]);
  const right = builder.input('right', 'float64', ['directions', dim]);
  const columns = builder.input('columns', 'float64', [dim, 'columns']);
  const product = builder.op('Gemm', [left, builder.op('MatMul', [right, columns]), columns], {
    attributes: { transA: 1 },
  });
  builder.output(product, 'float64', [dim, 'columns'], 'product');
  return builder;
}

/** (factor · square - I) rows */
function lessIdentity(square: Float64Array, factor: number, { dims, data }: Tensor): Tensor {
  const [count, dim] = dims as [number, number];
  const rows = data as Float64Array;
  const result = rows.map((value) => -value);
  for (let i = 0; i < count; i++) {
    for (let j = 0; j < count; j++) {
      const share = factor * square[i * count + j]!;
      if (share === 0) continue;
      for (let d = 0; d < dim; d++) result[i * dim + d]! += share * rows[j * dim + d]!;
    }
  }
  return checked('float64', dims, result);
}

function transposed(square: Float64Array, size: number): Float64Array {
  return square.map((_, at) => square[(at % size) * size + Math.floor(at / size)]!);
}

/** Of a row-major matrix, each row by a factor of its own. */
function scaleRows(matrix: Float64Array, factors: Float64Array): void {
  const width = matrix.length / factors.length;
  for (let row = 0, at = 0; row < factors.length; row++) {
    const factor = factors[row]!;
    for (const end = at + width; at < end; at++) matrix[at]! *= factor;
  }
}
