/** What a solver is given to train a head, and what it gives back. */
import type { Head, Standardization } from '../heads/head.js';
import type { StopReason } from '../optim/lbfgs.js';
import type { Meter, Score, Task } from '../tasks/task.js';
import type { Tensor } from '../tensor/tensor.js';
import type { EpochRecord } from './epoch-record.js';
import type { AnyFeatureSet } from './feature-set.js';
import type { FilledOptions } from './train-options.js';
import type { SolverState } from './training-state.js';

export interface Fit {
  readonly head: Head;
  readonly task: Task;
  readonly train: AnyFeatureSet;
  readonly parameters: ReadonlyMap<string, Tensor>;
  readonly options: FilledOptions;
  /** Given where `train` was standardised for the solver's sake alone: the penalty is on raw features. */
  readonly rawPenalty?: Standardization | undefined;
  /** Given where the numbers to be predicted were scaled. */
  readonly targetScaling?: Standardization | undefined;
  /** As the task's `balance` gives them. */
  readonly classWeights?: Float32Array | undefined;
  readonly threads?: number | undefined;
  /** What the solver goes on from: a state that it once gave to `checkpoint`. */
  readonly from: SolverState | undefined;
  /** After each epoch, with what the next one depends on; it is asked for where it is time to keep it. */
  checkpoint(epoch: number, state: () => SolverState): Promise<void>;
  /** Throws where training was interrupted or its objective is no number. */
  check(epoch: number, objective: number): void;
  /** Of outputs of training rows. */
  openMeter(): Meter;
  scoreTrain(parameters: ReadonlyMap<string, Tensor>): Promise<Score>;
  /** Records an epoch with these weights; the training score is computed where it is not given. */
  record(
    epoch: number,
    objective: number,
    parameters: ReadonlyMap<string, Tensor>,
    trainScore?: Score,
  ): Promise<EpochRecord>;
}

/** How a search of L-BFGS ended. */
export interface Convergence {
  readonly reason: Exclude<StopReason, 'noise'>;
  /** Largest component of the gradient of the mean objective at the end. */
  readonly gradient: number;
  /** What it was compared with. */
  readonly tolerance: number;
  readonly iterations: number;
}

export interface Fitted {
  readonly parameters: ReadonlyMap<string, Tensor>;
  readonly objective: number;
  readonly stoppedAt: number;
  /** Of L-BFGS. */
  readonly convergence?: Convergence;
}
