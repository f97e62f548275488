/**
 * A change of variables W = T U for the weights [dim, columns] of a linear layer, in which L-BFGS meets curvature near 1
 * in every direction, not only along the axes as a scale for each feature gives it.
 *
 * The Hessian of a softmax or logistic regression is made of blocks Xᵀ D X, D holding p (1 - p) of each example; with D
 * averaged over the classes, M = Xᵀ D X + λ I = L Lᵀ and T = L⁻ᵀ, so that Tᵀ M T = I. It is exact for no model but near
 * enough for all: on image features a fit takes a third of the iterations. T need not be exact, it changes no optimum.
 */
import { GraphBuilder } from '../onnx/graph-builder.js';
import { encodeModel } from '../onnx/write-model.js';
import { factorize } from '../optim/cholesky.js';
import { openSession } from '../runtime/open-session.js';
import type { Session } from '../runtime/session.js';
import { checked, float32 } from '../tensor/tensor.js';
import type { ParameterLayout } from './parameter-layout.js';
import { blocksOf } from './feature-blocks.js';
import type { AnyFeatureSet } from './feature-set.js';

export interface WeightBasis {
  /** From flat vectors whose weights are given as U to those with W = T U. */
  toWeights(vectors: readonly Float64Array[]): Promise<Float64Array[]>;
  /** From gradients by W to those by U: Tᵀ G. */
  toGradients(vectors: readonly Float64Array[]): Promise<Float64Array[]>;
  /** U = Lᵀ W. */
  fromWeights(vectors: readonly Float64Array[]): Promise<Float64Array[]>;
  /** Σ D: the curvature along what is no weight, the biases. */
  readonly biasCurvature: number;
}

export interface BasisFinder {
  /**
   * @param curvature - D, [rows]
   * @param penalty - λ, per feature
   * @returns undefined where the matrix is too ill-conditioned
   */
  find(curvature: Float32Array, penalty: Float64Array): Promise<WeightBasis | undefined>;
  release(): Promise<void>;
}

/** @param part - name of the weights among the layout's parts */
export async function openBasisFinder(
  train: AnyFeatureSet,
  layout: ParameterLayout,
  part: string,
  threads?: number,
): Promise<BasisFinder> {
  const { dim } = train;
  const settings = threads === undefined ? {} : { threads };
  const gram = new GraphBuilder({ opset: 17 });
  const x = gram.input('x', 'float32', ['rows', dim]);
  const d = gram.input('d', 'float32', ['rows', 1]);
  const transposed = gram.op('Transpose', [gram.op('Mul', [x, d])], { attributes: { perm: [1, 0] } });
  gram.output(gram.op('MatMul', [transposed, x]), 'float32', [dim, dim], 'gram');
  const [gramSession, plain, transposing] = await Promise.all(
    [gram, productGraph(dim, false), productGraph(dim, true)].map((builder) =>
      openSession(encodeModel(builder.model()), settings),
    ),
  );
  const multiply = async (
    session: Session,
    by: Float64Array,
    vectors: readonly Float64Array[],
  ): Promise<Float64Array[]> => {
    const columns = layout.stack(vectors, 'float64').get(part)!;
    const result = await session.run({ matrix: checked('float64', [dim, dim], by), columns });
    const data = result.product!.data as Float64Array;
    return vectors.map((vector, i) => layout.withPart(vector, part, data, i, vectors.length));
  };
  const blocks = blocksOf(train);
  return {
    async find(curvature, penalty) {
      const sum = new Float64Array(dim * dim);
      for await (const { from, to, values } of blocks()) {
        const { gram: chunk } = await gramSession!.run({
          x: float32([to - from, dim], values),
          d: float32([to - from, 1], curvature.subarray(from, to)),
        });
        const data = chunk!.data as Float32Array;
        for (let i = 0; i < sum.length; i++) sum[i]! += data[i]!;
      }
      for (let i = 0; i < dim; i++) sum[i * dim + i]! += penalty[i]!;
      const factor = factorize(sum, dim);
      if (!factor) return undefined;
      const { lower, inverse } = factor;
      return {
        toWeights: (vectors) => multiply(transposing!, inverse, vectors),
        toGradients: (vectors) => multiply(plain!, inverse, vectors),
        fromWeights: (vectors) => multiply(transposing!, lower, vectors),
        biasCurvature: curvature.reduce((total, value) => total + value, 0),
      };
    },
    async release() {
      await Promise.all([gramSession, plain, transposing].map((session) => session!.release()));
    },
  };
}

/** Of a matrix [dim, dim], or its transpose, and columns that stand side by side. */
function productGraph(dim: number, isTransposed: boolean): GraphBuilder {
  const builder = new GraphBuilder({ opset: 17 });
  const matrix = builder.input('matrix', 'float64', [dim, dim]);
  const columns = builder.input('columns', 'float64', [dim, 'columns']);
  const product = builder.op('Gemm', [matrix, columns], { attributes: { transA: isTransposed ? 1 : 0 } });
  builder.output(product, 'float64', [dim, 'columns'], 'product');
  return builder;
}
