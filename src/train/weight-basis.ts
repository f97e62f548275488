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
  /** (I + Qᵀ inner Q) · the weights; `before` and `after` scale their rows. */
  const apply = async (
    vectors: readonly Float64Array[],
    directions: Tensor,
    inner: Tensor,
    { before, after }: { before?: Float64Array; after?: Float64Array },
  ): Promise<Float64Array[]> => {
    const columns = layout.stack(vectors, 'float64').get(part)!;
    if (before) scaleRows(columns.data as Float64Array, before);
    const data = (await session.run({ directions, inner, columns })).product!.data as Float64Array;
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
      const backwards = scale.map((value) => 1 / value);
      const inner = {
        whitening: lessIdentity(transposed(factor.inverse, count), root, count),
        gradient: lessIdentity(factor.inverse, root, count),
        colouring: lessIdentity(transposed(factor.lower, count), 1 / root, count),
      };
      return {
        sketch,
        toWeights: (vectors) => apply(vectors, directions, inner.whitening, { after: scale }),
        toGradients: (vectors) => apply(vectors, directions, inner.gradient, { before: scale }),
        fromWeights: (vectors) => apply(vectors, directions, inner.colouring, { before: backwards }),
      };
    },
    release: () => session.release(),
  };
}

function basisGraph(dim: number): GraphBuilder {
  const builder = new GraphBuilder({ opset: trainingOpset });
  const directions = builder.input('directions', 'float64', ['count', dim]);
  const inner = builder.input('inner', 'float64', ['count', 'count']);
  const columns = builder.input('columns', 'float64', [dim, 'columns']);
  const along = builder.op('MatMul', [inner, builder.op('MatMul', [directions, columns])]);
  const product = builder.op('Gemm', [directions, along, columns], { attributes: { transA: 1 } });
  builder.output(product, 'float64', [dim, 'columns'], 'product');
  return builder;
}

/** factor · square - I */
function lessIdentity(square: Float64Array, factor: number, size: number): Tensor {
  const data = square.map((value, at) => factor * value - (at % (size + 1) === 0 ? 1 : 0));
  return checked('float64', [size, size], data);
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
