/** What stands on the features: its kinds, its trained parameters, and the nodes that compute its scores. */
import type { GraphBuilder } from '../onnx/graph-builder.js';
import type { Tensor } from '../tensor/tensor.js';
import { linearHead } from './linear.js';

export type HeadSpec = { readonly kind: 'linear' };

/** Per-feature mean and standard deviation, [dim] each, that the features were scaled with in training. */
export interface Standardization {
  readonly mean: Float64Array;
  readonly std: Float64Array;
}

export interface TrainedHead {
  readonly spec: HeadSpec;
  readonly dim: number;
  readonly classes: readonly string[];
  /** By the names of `HeadKind.parameters`; they take raw features, the standardisation is folded in. */
  readonly parameters: ReadonlyMap<string, Tensor>;
}

export interface HeadShape {
  readonly dim: number;
  readonly classCount: number;
}

/** One kind of head; one file each in this folder. */
export interface HeadKind {
  /** Shape of every parameter, in a fixed order. */
  parameters(shape: HeadShape): ReadonlyMap<string, readonly number[]>;
  /** Parameters that the L2 penalty counts. */
  readonly penalized: readonly string[];
  /** Appends the nodes from features [batch, dim] to logits [batch, classes]. */
  append(builder: GraphBuilder, features: string, parameters: ReadonlyMap<string, string>): string;
  /** Whether the loss has one minimum, which L-BFGS reaches from anywhere. */
  readonly isConvex: boolean;
  /** What λ is multiplied with so that ½λ‖W‖² is the penalty of the parametrisation that `finish` writes. */
  penaltyFactor?(shape: HeadShape): number;
  /**
   * The parameters as they are kept: for raw features, scoring as `parameters` do on standardised ones where
   * `standardization` is given.
   */
  finish(
    parameters: ReadonlyMap<string, Tensor>,
    standardization?: Standardization,
  ): ReadonlyMap<string, Tensor>;
}

export function headKind({ kind }: HeadSpec): HeadKind {
  return { linear: linearHead }[kind];
}

/**
 * Appends a trained head with its weights as constants.
 * @param features - value [batch, dim] float32
 * @returns the logits, [batch, classes]
 */
export function appendHead(builder: GraphBuilder, features: string, head: TrainedHead): string {
  const names = new Map([...head.parameters].map(([name, tensor]) => [name, builder.constant(name, tensor)]));
  return headKind(head.spec).append(builder, features, names);
}
