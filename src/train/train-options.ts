/** How a head is to be trained, and what is usual where nothing is said. */
import type { HeadSpec } from '../heads/head.js';
import { type Logger, silentLogger } from '../logger.js';
import type { ScheduleKind } from '../optim/schedules.js';
import type { LossSpec, TaskKind } from '../tasks/task.js';
import type { EpochRecord } from './epoch-record.js';
import type { Checkpoint } from './training-state.js';

export type Solver = 'lbfgs' | 'adamw' | 'sgd';

/** How heads that go by epochs are fitted, as a search chooses it. */
export type FitChoice = Pick<TrainOptions, 'solver' | 'lr' | 'weightDecay' | 'epochs'>;

/** Most epochs where nothing is said. */
export const defaultEpochs = 100;

export interface TrainOptions {
  readonly head?: HeadSpec;
  readonly task?: TaskKind;
  readonly loss?: LossSpec;
  /** Default: lbfgs for a linear head, adamw for others; the prototype head needs none. */
  readonly solver?: Solver;
  /** λ of: sum of the example losses + λ/2 · ‖W‖², bias free. */
  readonly l2?: number;
  /** Learning rate of adamw and sgd, for the mean loss of a batch; default: `usualRate`. */
  readonly lr?: number | undefined;
  /** Most epochs (100), or iterations of L-BFGS (1000). */
  readonly epochs?: number;
  /**
   * L-BFGS stops where no component of the mean objective's gradient is above this, and nowhere else; default: where going on
   * would lower the objective by less than a millionth of itself.
   */
  readonly tolerance?: number | undefined;
  /** Examples a step of adamw and sgd; default: `usualBatch`. */
  readonly batch?: number;
  /** Of the penalized weights, on the mean loss; instead of what `l2` gives: decoupled in adamw, as PyTorch's in sgd. */
  readonly weightDecay?: number | undefined;
  /** Of sgd; default 0.9. */
  readonly momentum?: number;
  readonly nesterov?: boolean;
  readonly schedule?: ScheduleKind;
  /** Share of all steps in which the learning rate rises. */
  readonly warmUp?: number;
  /** Most of the Euclidean norm of the gradient of a batch's mean loss. */
  readonly clipNorm?: number;
  /** Decay a step of the running average of the weights that is scored and kept; 0 for none. */
  readonly ema?: number;
  /** α of mixup on features: shares are drawn from Beta(α, α); 0 for none. */
  readonly mixup?: number;
  readonly standardize?: boolean;
  /** `balanced`: the examples of a class weigh rows / (classes · its rows), as in scikit-learn; multi: for each label. */
  readonly classWeights?: 'none' | 'balanced';
  readonly seed?: number;
  /** Epochs without a better validation loss before adamw and sgd stop. */
  readonly patience?: number;
  /**
   * Whether the validation loss decides when adamw and sgd stop and which epoch's weights are kept (default); else, and where there is no
   * validation part, all epochs count and the last weights.
   */
  readonly stopsEarly?: boolean;
  /** Ends adamw and sgd after this epoch, with the rates that they have in a training of all `epochs`. */
  readonly lastEpoch?: number | undefined;
  readonly threads?: number;
  readonly signal?: AbortSignal;
  readonly logger?: Logger;
  readonly onEpoch?: (record: EpochRecord) => void;
  readonly checkpoint?: Checkpoint | undefined;
}

/** Options that say everything but what no default fits. */
export type FilledOptions = Required<
  Omit<
    TrainOptions,
    'lr' | 'epochs' | 'lastEpoch' | 'weightDecay' | 'tolerance' | 'threads' | 'signal' | 'checkpoint'
  >
> &
  Pick<TrainOptions, 'lr' | 'epochs' | 'lastEpoch' | 'weightDecay' | 'tolerance'>;

/**
 * The power of two, from 16 to 256, with which an epoch has sixteen steps or more. With few examples in larger batches the
 * usual rates and numbers of epochs end before the head has learned them; smaller ones take longer and gain nothing.
 */
export function usualBatch(examples: number): number {
  return Math.min(256, Math.max(16, 2 ** Math.floor(Math.log2(examples / 16))));
}

/** The options with what is usual for so many training examples where they say nothing. */
export function fillIn(
  given: Omit<TrainOptions, 'threads' | 'signal' | 'checkpoint'>,
  examples: number,
): FilledOptions {
  const head = given.head ?? { kind: 'linear' };
  return {
    head,
    task: 'single',
    loss: {},
    solver: head.kind === 'linear' ? 'lbfgs' : 'adamw',
    l2: 1,
    batch: usualBatch(examples),
    momentum: 0.9,
    nesterov: true,
    schedule: 'constant',
    warmUp: 0,
    clipNorm: Number.POSITIVE_INFINITY,
    ema: 0,
    mixup: 0,
    standardize: true,
    classWeights: 'none',
    seed: 1,
    patience: 10,
    stopsEarly: true,
    logger: silentLogger,
    onEpoch: () => {},
    ...given,
  };
}
