/** One way to train a head, among those that a search compares. */
import type { HeadSpec } from '../heads/head.js';
import type { Score } from '../tasks/task.js';
import type { FitChoice, Solver } from './train-options.js';

export interface Candidate {
  readonly head: HeadSpec;
  /** `none` where there is nothing to solve, as for prototypes. */
  readonly solver: Solver | 'none';
  readonly l2: number;
  /** Of the solvers that go by epochs. */
  readonly lr?: number | undefined;
  /** Of these too: in place of what `l2` gives, which is 0 then. */
  readonly weightDecay?: number | undefined;
  /** Of the training; default: that of the search. */
  readonly seed?: number | undefined;
  /** Layers of the backbone that are trained with the head; undefined for the head alone. */
  readonly tail?: TailChoice | undefined;
}

export function goesByEpochs({ solver }: Pick<Candidate, 'solver'>): boolean {
  return solver === 'adamw' || solver === 'sgd';
}

export interface TailChoice {
  /** Value of the backbone after which everything is trained. */
  readonly unfreeze: string;
  /** Weights that this trains. */
  readonly weights: number;
  readonly lr: number;
  readonly epochs: number;
  /** How the head alone was judged, where it goes by epochs: it is fitted so before the layers move. */
  readonly start?: FitChoice | undefined;
}

/** With the features that the head stands on. */
export interface LayerCandidate extends Candidate {
  readonly layer: string;
  readonly pool: string;
  readonly dim: number;
}

/** What cross-validation found out about a candidate. */
export interface Judged<C extends Candidate = Candidate> {
  readonly candidate: C;
  /** The task's figure (accuracy; R² of numbers) on what each fold held out. */
  readonly folds: readonly number[];
  /** All figures on what each fold held out; none where a loss became infinite. */
  readonly scores: readonly Score[];
  /** Over the folds. */
  readonly mean: number;
  /** Sample standard deviation over the folds. */
  readonly std: number;
  /** Mean loss on what was held out. */
  readonly loss: number;
  /** Mean figure on what was trained on: far above `mean` is overfitting. */
  readonly train: number;
  /** Epochs after which the folds' mean loss was lowest. */
  readonly epochs?: number;
  /**
   * Dropped by successive halving after so many epochs: its figures are those it had then. 0: its loss became infinite, and
   * all figures are 0 but the loss, which is the largest number.
   */
  readonly droppedAt?: number;
}

/** The same in one object, as files and reports have it. */
export type ReportedCandidate = LayerCandidate & Omit<Judged, 'candidate' | 'scores'>;

export function flat({ candidate, scores: _, ...result }: Judged<LayerCandidate>): ReportedCandidate {
  return { ...candidate, ...result };
}

export function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** With n - 1 below; 0 for a single value. */
export function sampleDeviation(values: readonly number[]): number {
  if (values.length < 2) return 0;
  const mean = meanOf(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1));
}
