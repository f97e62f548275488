/**
 * What a head is to predict, as data: how targets are held, the loss and its gradient as ONNX nodes, what the exported
 * graph puts out, and which figures count. One file each in this folder.
 *
 *   features → head → scores → task → logits → loss (training)
 *                                            → outputs (the exported graph)
 */
import type { GraphBuilder } from '../onnx/graph-builder.js';
import type { Precision } from './loss-tape.js';
import type { Targets } from './targets.js';
import type { TaskKind } from './task-kind.js';

export type { TaskKind } from './task-kind.js';

/** How errors are counted in training; measuring afterwards uses the plain loss. */
export interface LossSpec {
  /** Share ε of a target that is spread over all classes. */
  readonly labelSmoothing?: number | undefined;
  /** γ: a loss counts (1 - p)^γ times (Lin et al. 2017). */
  readonly focal?: number | undefined;
  /** δ: an error beyond it counts linearly (Huber 1964), in units of the target. */
  readonly huber?: number | undefined;
}

/** Mean loss over examples, and those of the figures that the task has. */
export interface Score {
  readonly loss: number;
  /** Share of examples whose label is right; multi: all of whose labels are. */
  readonly accuracy?: number;
  readonly macroF1?: number;
  readonly microF1?: number;
  /** Mean absolute error: of numbers, or in steps between ordered classes. */
  readonly mae?: number;
  readonly rmse?: number;
  /** Absent for fewer than two examples. */
  readonly r2?: number;
}

export type FigureName = Exclude<keyof Score, 'loss'>;

/** What a head's last layer looks like to a task. */
export interface Readout {
  /** Scores that the head gives: columns of its last layer. */
  readonly columns: number;
  /** Whether the last layer has a bias of its own. */
  readonly hasBias: boolean;
  /** Whether adding one number to all scores of an example changes nothing, as with softmax. */
  readonly onlyDifferencesCount: boolean;
  /** Logits an example, after `appendLogits`. */
  readonly logits: number;
}

export interface LossInput {
  /** [examples, logits]; in the exact form, an example once for each of its replicas. */
  readonly logits: string;
  /** [examples, outputs], of the type of the logits; one-hot for the exact form of label tasks. */
  readonly target: string;
  readonly outputCount: number;
  readonly loss: LossSpec;
  /** As `balance` gives it. */
  readonly classWeights?: Float32Array | undefined;
  /** What targets that are numbers were divided by, [outputs]. */
  readonly targetScale?: Float64Array | undefined;
}

export interface ExactLossInput extends LossInput {
  readonly precision: Precision;
}

/** Where a solver that starts from nothing begins: the optimum where features say nothing. */
export interface Prior {
  /** Bias of each column, or what stands for it among the task's own parameters. */
  readonly start: ReadonlyMap<string, Float64Array>;
  /** Second derivative of the summed loss by each column's score there. */
  readonly curvature: Float64Array;
}

/** Name of the bias of a head's last layer, whatever the head. */
export const biasName = 'head/bias';

/** Measures outputs as they come, so that those of all examples need not be in memory at once. */
export interface Meter {
  /**
   * @param outputs - of `appendOutputs`, [rows, outputs]
   * @param rows - of the targets, one for each of the outputs
   */
  add(outputs: Float32Array, rows: ArrayLike<number>): void;
  /** Of all that was added. */
  score(): Score;
}

export interface Task {
  readonly kind: TaskKind;
  /** What an example's target is: the number of one class, or a number for each output. */
  readonly targetForm: 'label' | 'values';
  readout(outputCount: number): Readout;
  /** Parameters between scores and logits, trained with the head. */
  ownParameters(outputCount: number): ReadonlyMap<string, readonly number[]>;
  /** How they are kept once they are trained. */
  keptParameters(outputCount: number): ReadonlyMap<string, readonly number[]>;
  finishOwn(parameters: ReadonlyMap<string, Float32Array>): ReadonlyMap<string, Float32Array>;
  /** Scores [batch, columns · replicas] → logits [batch, logits · replicas]. */
  appendLogits(
    builder: GraphBuilder,
    scores: string,
    parameters: ReadonlyMap<string, string>,
    options: { readonly outputCount: number; readonly precision: Precision },
  ): string;
  /**
   * The loss of each example and replica, exact enough to converge on.
   * @returns losses [examples] float64, and their gradient by the logits, in the shape and type of these
   */
  appendExactLoss(builder: GraphBuilder, input: ExactLossInput): { losses: string; dLogits: string };
  /**
   * The gradient of a mini-batch's summed loss by its logits [batch, logits], in float32. Label tasks are given the
   * mass of each class [batch, outputs]: what `massTable` holds for the label, mixed where examples are.
   */
  appendBatchGradient(builder: GraphBuilder, input: LossInput, outputs: string): string;
  /** Logits [.., logits] of the given rank → what `measure` and the exported graph take, [.., outputs]. */
  appendOutputs(builder: GraphBuilder, logits: string, rank: number, outputCount: number): string;
  /** Outputs of the exported graph: the logits (where they are one) and what `appendOutputs` gives. */
  readonly outputNames: { readonly logits?: string; readonly outputs: string };
  /** Weights that make rare and frequent classes count alike; undefined where the task has no such thing. */
  balance?(targets: Targets): Float32Array;
  /** Sums over examples from which `prior` follows; `include` leaves some out. */
  sumTargets(targets: Targets, classWeights?: Float32Array, include?: (row: number) => boolean): Float64Array;
  prior(totals: Float64Array, outputCount: number): Prior;
  openMeter(targets: Targets, loss?: LossSpec): Meter;
  /**
   * All at once.
   * @param outputs - of `appendOutputs`, [rows, outputs]
   * @param order - where row i of the outputs belongs to row order[i] of the targets
   */
  measure(outputs: Float32Array, targets: Targets, loss?: LossSpec, order?: ArrayLike<number>): Score;
  /** The figure that sums a model up. */
  readonly figure: { readonly name: FigureName; readonly title: string };
}
