/** Weights [dim, columns] that are made of others, W = (I + P C R) V, in a graph: the products of a `Mixing`. */
import type { GraphBuilder } from '../onnx/graph-builder.js';
import type { Precision } from '../tasks/loss-tape.js';

export interface MixedWeights {
  /** W, of the shape of V. */
  readonly value: string;
  /** Names of the inputs. */
  readonly spread: string;
  readonly inner: string;
  readonly gather: string;
}

export function appendMixing(
  builder: GraphBuilder,
  weights: string,
  dim: number,
  precision: Precision,
): MixedWeights {
  const spread = builder.input('spread', precision, [dim, 'directions']);
  const gather = builder.input('gather', precision, ['directions', dim]);
  const inner = builder.input('inner', precision, ['directions', 'directions']);
  const along = builder.op('MatMul', [gather, weights], { name: 'mixing/along' });
  const turned = builder.op('MatMul', [inner, along], { name: 'mixing/turned' });
  const value = builder.op('Gemm', [spread, turned, weights], { name: 'mixing/weights' });
  return { value, spread, inner, gather };
}

/** From the gradient by W, [dim, columns], to that by V: (I + Rᵀ Cᵀ Pᵀ) dW. */
export function appendMixingGradient(
  builder: GraphBuilder,
  dW: string,
  { spread, inner, gather }: MixedWeights,
): string {
  const attributes = { transA: 1 };
  const along = builder.op('Gemm', [spread, dW], { name: 'mixing/grad_along', attributes });
  const turned = builder.op('Gemm', [inner, along], { name: 'mixing/grad_turned', attributes });
  return builder.op('Gemm', [gather, turned, dW], { name: 'mixing/grad', attributes });
}
