/** What a training run is given, in every way of training, and what it gives. */
import type { OnProgress } from '../logger.js';
import type { Score, TaskKind } from '../tasks/task.js';
import type { Targets } from '../tasks/targets.js';
import type { Tensor } from '../tensor/tensor.js';
import type { EpochRecord } from '../train/epoch-record.js';
import type { Convergence } from '../train/fit.js';
import type { TrainResult } from '../train/train-head.js';
import type { FitChoice, Solver } from '../train/train-options.js';
import type { CachedFeatures, CacheOptions, CacheReport, Hooks } from './cache-features.js';
import type { ViewOptions, ViewReport } from './cache-views.js';
import type { Calibration } from './calibrate-head.js';
import type { RunEvaluation } from './evaluate-run.js';
import type { CrossValidated } from './cross-validate-head.js';
import type { HeadOptions } from './head-options.js';
import type { LabelErrors } from './list-label-errors.js';
import type { TrackingOptions } from './open-trackers.js';
import type { RunIdentity, RunProgress } from './run-progress.js';
import type { SplitOptions } from './split-features.js';

/** How a head is trained, whatever its features come from. */
export interface FitOptions extends SplitOptions, HeadOptions, TrackingOptions {
  readonly out: string;
  readonly threads?: number | undefined;
  /** Also cross-validates on so many folds of the training part. */
  readonly folds?: number | undefined;
  /** Fits a temperature on the validation part, so that probabilities mean what they say. */
  readonly calibrate?: boolean | undefined;
  /** True: there must be an unfinished run; false: begin again; default: go on where there is one of the same settings. */
  readonly resume?: boolean | undefined;
  /** Least seconds between two checkpoints (30). */
  readonly checkpointSeconds?: number | undefined;
}

export interface TrainOptions extends CacheOptions, FitOptions, ViewOptions {
  /** Value of the backbone after which everything is trained too. */
  readonly unfreeze?: string | undefined;
  /** Learning rate of the unfrozen layers; default: 0.1 of the head's. */
  readonly tailLr?: number | undefined;
  readonly layerDecay?: number | undefined;
  readonly warmStart?: boolean | undefined;
  /** How a search fitted the head alone, which is fitted so before the layers move. */
  readonly headStart?: FitChoice | undefined;
  /** Epochs in which the layers join, those nearest the head first. */
  readonly gradual?: number | undefined;
}

export interface FeatureTrainOptions extends FitOptions {
  /** A safetensors file with features and labels, in place of a backbone and a data set. */
  readonly features: string;
  /** Default: single. Ordered classes are in the order in which the file names them. */
  readonly task?: TaskKind | undefined;
}

export interface TrainReport {
  readonly run: string;
  readonly task: TaskKind;
  readonly classes: readonly string[];
  readonly examples: { readonly train: number; readonly validation: number };
  readonly train: Score;
  readonly validation: Score | null;
  /** Sum of the example losses + λ/2·‖W‖² at the end. */
  readonly objective: number;
  /** The fit alone. */
  readonly seconds: number;
  /** Epoch, or with lbfgs iteration, whose weights were kept. */
  readonly stoppedAt: number;
  /** With lbfgs: why its search ended, and how large the gradient of the mean objective was then. */
  readonly convergence?: Convergence;
  /** Undefined for the prototypes, which need none. */
  readonly solver?: Solver | undefined;
  /** With --unfreeze: what the head alone reached before the layers under it moved. */
  readonly headAlone?: { readonly train: Score; readonly validation?: Score };
  /** With --knn: what the k nearest training examples predict of the validation part. */
  readonly neighbours?: Score & { readonly k: number };
  /** With --folds: what the same settings reach on what folds of the training part hold out. */
  readonly crossValidation?: CrossValidated;
  /** With --folds: how many labels of the training part are probably wrong, of so many, and the table that lists them. */
  readonly labelErrors?: Pick<LabelErrors, 'found' | 'examples'> & { readonly file: string };
  /** Figures of the head as it is kept, on the validation part (or the training part where there is no other). */
  readonly metrics?: { readonly part: RunEvaluation['part'] } & Readonly<Record<string, unknown>>;
  readonly calibration?: Calibration;
  /** With --views: what caching them took. */
  readonly views?: ViewReport;
}

export interface TrainedRun {
  readonly report: TrainReport;
  /** Absent where the features came from a file. */
  readonly cache?: CacheReport;
}

export interface TrainHooks extends Hooks {
  /** Folds of the cross-validation. */
  readonly onFold?: OnProgress;
}

/** What a way of training is given beside its options. */
export interface FitContext extends TrainHooks {
  /** Told of every epoch. */
  readonly onEpoch: (record: EpochRecord) => void;
  /** Once the data are known: what to go on from, and where to keep the state. Until then nothing of the folder changes. */
  begin(identity: RunIdentity): Promise<RunProgress['checkpoint']>;
}

/** What every way of training gives to the run folder. */
export interface FittedRun {
  readonly parts: { readonly train: Targets; readonly validation: Targets | undefined };
  readonly result: Omit<TrainResult, 'trained'>;
  readonly config: RunConfigSource;
  readonly training: Readonly<Record<string, unknown>>;
  readonly evaluation: RunEvaluation;
  /** New values of backbone weights, by name. */
  readonly weights?: ReadonlyMap<string, Tensor>;
  readonly headAlone?: TrainReport['headAlone'];
  readonly views?: ViewReport | undefined;
  readonly neighbours?: TrainReport['neighbours'];
  readonly crossValidation?: TrainReport['crossValidation'];
  readonly labelErrors?: LabelErrors;
}

/** Its backbone is the one that the head stands on; `held` are rows of its data set to verify on, `typical` ones to calibrate on. */
export type RunConfigSource =
  | { readonly cached: CachedFeatures; readonly held: readonly number[]; readonly typical: readonly number[] }
  | { readonly features: string; readonly dim: number; readonly takesPairs: boolean };
