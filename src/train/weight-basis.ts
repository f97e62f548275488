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
 *
 * With A / √ρ = diag(units) it is T = (I + P C R) diag(units), of which the scaling is left to those who scale anyway, and of
 * which the rest is thin products: P = diag(units) Qᵀ, C = √ρ L⁻ᵀ - I, R = Q diag(units)⁻¹.
 */
import { GraphBuilder } from '../onnx/graph-builder.js';
import { encodeModel } from '../onnx/write-model.js';
import { factorize } from '../optim/cholesky.js';
import { openSession } from '../runtime/open-session.js';
import { checked, type Tensor } from '../tensor/tensor.js';
import { appendMixing } from './append-mixing.js';
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

/** I + P C R, in float64. */
export interface Mixing {
  /** P, [dim, directions]. */
  readonly spread: Tensor;
  /** C, [directions, directions]. */
  readonly inner: Tensor;
  /** R, [directions, dim]. */
  readonly gather: Tensor;
}

export interface WeightBasis {
  readonly sketch: CurvatureSketch;
  /** What variables of curvature 1 are multiplied with before they are mixed, [dim]. */
  readonly units: Float64Array;
  readonly mixing: Mixing;
  /** From flat vectors whose weights are given as V to those with W = (I + P C R) V. */
  toWeights(vectors: readonly Float64Array[]): Promise<Float64Array[]>;
  /** V = (I + P C R)⁻¹ W. */
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
  const session = await openSession(encodeModel(mixingGraph(dim).model()), { threads: 1 });
  const mix = async (vectors: readonly Float64Array[], by: Mixing): Promise<Float64Array[]> => {
    const columns = layout.stack(vectors, 'float64').get(part)!;
    const data = (await session.run({ ...by, columns })).product!.data as Float64Array;
    return vectors.map((vector, i) => layout.withPart(vector, part, data, i, vectors.length));
  };
  return {
    make(sketch) {
      const { directions, projected, axes, rest } = sketch;
      const count = directions.dims[0]!;
      const factor = factorize(projected.data as Float64Array, count);
      if (!factor) return undefined;
      const root = Math.sqrt(rest);
      const q = directions.data as Float64Array;
      const units = (axes.data as Float64Array).map((value) => value / root);
      const [gather, spread] = [new Float64Array(q.length), new Float64Array(q.length)];
      for (let i = 0, at = 0; i < count; i++) {
        for (let d = 0; d < dim; d++, at++) {
          gather[at] = q[at]! / units[d]!;
          spread[d * count + i] = units[d]! * q[at]!;
        }
      }
      const mixing = (inner: Float64Array): Mixing => ({
        spread: checked('float64', [dim, count], spread),
        inner: checked('float64', [count, count], inner),
        gather: checked('float64', [count, dim], gather),
      });
      const whitening = mixing(lessIdentity(transposed(factor.inverse, count), root, count));
      const colouring = mixing(lessIdentity(transposed(factor.lower, count), 1 / root, count));
      return {
        sketch,
        units,
        mixing: whitening,
        toWeights: (vectors) => mix(vectors, whitening),
        fromWeights: (vectors) => mix(vectors, colouring),
      };
    },
    release: () => session.release(),
  };
}

function mixingGraph(dim: number): GraphBuilder {
  const builder = new GraphBuilder({ opset: trainingOpset });
  const columns = builder.input('columns', 'float64', [dim, 'columns']);
  builder.output(
    appendMixing(builder, columns, dim, 'float64').value,
    'float64',
    [dim, 'columns'],
    'product',
  );
  return builder;
}

/** factor · square - I */
function lessIdentity(square: Float64Array, factor: number, size: number): Float64Array {
  return square.map((value, at) => factor * value - (at % (size + 1) === 0 ? 1 : 0));
}

function transposed(square: Float64Array, size: number): Float64Array {
  return square.map((_, at) => square[(at % size) * size + Math.floor(at / size)]!);
}
