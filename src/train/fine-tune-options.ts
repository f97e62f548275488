/** How head and layers are to be trained together, and what is usual where nothing is said. */
import type { HeadSpec } from '../heads/head.js';
import { type Logger, silentLogger } from '../logger.js';
import type { LossSpec, TaskKind } from '../tasks/task.js';
import type { EpochRecord } from './epoch-record.js';
import type { FitChoice } from './train-options.js';
import type { Checkpoint } from './training-state.js';

export interface FineTuneOptions {
  readonly head?: HeadSpec;
  readonly task?: TaskKind;
  readonly loss?: LossSpec;
  readonly classWeights?: 'none' | 'balanced';
  /** λ of the head: fitted first with it, then a decay of λ/rows on the mean loss. */
  readonly l2?: number;
  /** Of the head. */
  readonly lr?: number;
  /** Of the weights nearest the head; default: 0.1 of the head's. */
  readonly tailLr?: number;
  /** Each layer further from the head learns at this share of the rate of the next one. */
  readonly layerDecay?: number;
  /** Decoupled weight decay of the tail's matrices and kernels. */
  readonly weightDecay?: number;
  /** Most of the gradient's Euclidean norm over all parameters, for the mean loss of a batch; Infinity for no limit. */
  readonly clipNorm?: number;
  /** Decay a step of the running average of all parameters that is evaluated and kept; 0 for none. */
  readonly ema?: number;
  /** Fits the head before the tail moves. */
  readonly warmStart?: boolean;
  /** How it is fitted then; default: as `trainHead` does. */
  readonly start?: FitChoice | undefined;
  /**
   * Epochs in which the layers join one group after another, those nearest the head first (gradual unfreezing: Howard &
   * Ruder 2018, ULMFiT): in epoch e the last e/gradual of them move. Without a fitted head the first epoch is the head's
   * alone. 0: all from the start.
   */
  readonly gradual?: number;
  readonly epochs?: number;
  /** Share of the first steps in which the rates rise; a cosine follows. */
  readonly warmUp?: number;
  readonly batch?: number;
  readonly standardize?: boolean;
  readonly seed?: number;
  /**
   * Epochs without a better score on the validation part (the task's figure, then the loss) before training stops;
   * default: none does. The best weights are kept.
   */
  readonly patience?: number;
  /** Whether the validation part chooses the epoch; else the last weights count, and the part is only measured. */
  readonly stopsEarly?: boolean;
  readonly threads?: number;
  readonly signal?: AbortSignal;
  readonly logger?: Logger;
  readonly onEpoch?: (record: EpochRecord) => void;
  /** A state can be taken after every step. */
  readonly checkpoint?: Checkpoint | undefined;
}

/** Examples a step. */
export const defaultBatch = 16;
export const defaultEpochs = 8;
/** Of the head; the layers under it learn at a tenth of it. */
export const defaultRate = 5e-3;
export const tailShare = 0.1;

type Optional = 'start' | 'threads' | 'signal' | 'checkpoint';
export type FineTuneSettings = Required<Omit<FineTuneOptions, Optional>> & Pick<FineTuneOptions, Optional>;

export function withDefaults(options: FineTuneOptions): FineTuneSettings {
  const { lr = defaultRate } = options;
  return {
    head: { kind: 'linear' },
    task: 'single',
    loss: {},
    classWeights: 'none',
    l2: 1,
    layerDecay: 1,
    weightDecay: 0,
    clipNorm: 1,
    ema: 0,
    warmStart: true,
    gradual: 0,
    epochs: defaultEpochs,
    warmUp: 0.1,
    batch: defaultBatch,
    standardize: true,
    seed: 1,
    patience: Number.POSITIVE_INFINITY,
    stopsEarly: true,
    logger: silentLogger,
    onEpoch: () => {},
    ...options,
    lr,
    tailLr: options.tailLr ?? tailShare * lr,
  };
}
