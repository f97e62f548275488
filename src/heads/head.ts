/** What stands on the features: its kinds, its trained parameters, and the nodes that compute its scores. */
import type { GraphBuilder } from '../onnx/graph-builder.js';
import type { Rng } from '../rng.js';
import type { Precision } from '../tasks/loss-tape.js';
import type { Readout, TaskKind } from '../tasks/task.js';
import type { Tensor } from '../tensor/tensor.js';

export const activations = ['relu', 'gelu', 'tanh', 'silu'] as const;
export type Activation = (typeof activations)[number];

export interface MlpSpec {
  readonly kind: 'mlp';
  /** Width of each hidden layer, first to last. */
  readonly hidden: readonly number[];
  readonly activation: Activation;
  /** Share of each hidden layer that is set to zero in a training step. */
  readonly dropout: number;
}

export interface CosineSpec {
  readonly kind: 'cosine';
  /** What cosines are multiplied with at the start; it is learned. */
  readonly scale: number;
}

/** All that is needed to build a head's graph, as it is kept in files. */
export type HeadSpec =
  | { readonly kind: 'linear' }
  | MlpSpec
  | CosineSpec
  /** Nearest class mean. */
  | { readonly kind: 'prototype' };

export type HeadKindName = HeadSpec['kind'];

export const headKinds = ['linear', 'mlp', 'cosine', 'prototype'] as const satisfies readonly HeadKindName[];

/** Per-feature mean and standard deviation, [dim] each, that the features were scaled with in training. */
export interface Standardization {
  readonly mean: Float64Array;
  readonly std: Float64Array;
}

export interface HeadShape {
  readonly dim: number;
  /** Classes, labels, or numbers that are predicted. */
  readonly outputCount: number;
  readonly task: TaskKind;
}

export interface TrainedHead {
  readonly spec: HeadSpec;
  readonly task: TaskKind;
  readonly dim: number;
  /** Names of the outputs. */
  readonly classes: readonly string[];
  /** By the names of `Head.kept`; they take raw features, the standardisation is folded in. */
  readonly parameters: ReadonlyMap<string, Tensor>;
  /** What logits are divided by before the softmax, where the head was calibrated; the logits themselves stay. */
  readonly temperature?: number;
}

export interface AppendOptions {
  /** Type of the features, the parameters and all that is computed. */
  readonly precision?: Precision;
  /** In a training step: hidden values [batch, width] of a layer to what is left of them. */
  readonly dropout?: (value: string, layer: number, width: number) => string;
}

/** A head of one kind on features of one size for one task. */
export interface Head {
  /** Shape of every parameter that is trained, in a fixed order. */
  readonly parameters: ReadonlyMap<string, readonly number[]>;
  /** The same of what `finish` gives. */
  readonly kept: ReadonlyMap<string, readonly number[]>;
  /** Parameters that the L2 penalty counts. */
  readonly penalized: readonly string[];
  /** Whether the plain loss has one minimum, which L-BFGS reaches from anywhere. */
  readonly isConvex: boolean;
  /** What λ is multiplied with so that ½λ‖W‖² is the penalty of the parametrisation that `finish` writes. */
  readonly penaltyFactor: number;
  /** Where training starts, before the task's prior; the same from the same state of `rng`. */
  initial(rng: Rng): ReadonlyMap<string, Tensor>;
  /**
   * Appends the nodes from features [batch, dim] to logits [batch, logits].
   * @param parameters - values by the names of `parameters`, or by those of `kept`
   */
  append(
    builder: GraphBuilder,
    features: string,
    parameters: ReadonlyMap<string, string>,
    options?: AppendOptions,
  ): string;
  /**
   * The parameters as they are kept: for raw features, scoring as `parameters` do on standardised ones where
   * `standardization` is given.
   */
  finish(
    parameters: ReadonlyMap<string, Tensor>,
    standardization?: Standardization,
  ): ReadonlyMap<string, Tensor>;
}

/** One kind of head, up to its scores [batch, columns]; one file each in this folder. */
export type HeadBuilder<S extends HeadSpec = HeadSpec> = (
  spec: S,
  layer: { readonly dim: number } & Readout,
) => Head;
