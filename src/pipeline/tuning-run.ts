/** What a search is given, and what it gives. */
import type { FigureName } from '../tasks/task.js';
import type { ReportedCandidate } from '../train/candidate.js';
import type { RateTest } from '../train/find-rate.js';
import type { LearningCurve } from '../train/learning-curve.js';
import type { Select } from '../train/select-candidate.js';
import type { Hooks } from './cache-features.js';
import type { GridOptions } from './search-grid.js';
import type { FeatureTrainOptions, TrainOptions, TrainReport } from './training-run.js';
import type { TailGridOptions, Unfreezing } from './tune-tails.js';

type Searched = 'l2' | 'lr' | 'head' | 'solver' | 'weightDecay' | 'dropout';

export type TuneOptions = SearchOptions &
  (Omit<TrainOptions, Searched> | Omit<FeatureTrainOptions, Searched>);

export interface SearchOptions extends GridOptions, TailGridOptions {
  /** Default 5, or as many as the smallest class, all examples or their groups allow. */
  readonly folds?: number | undefined;
  /** `auto`, or names with commas. */
  readonly layers?: string | undefined;
  readonly select?: Select | undefined;
  /** Most candidates; a seeded choice of them where there are more. */
  readonly budget?: number | undefined;
  /** Measures the one that is kept on parts of the data too. */
  readonly learningCurve?: boolean | undefined;
  /** Tries learning rates on the head that is kept. */
  readonly lrFind?: boolean | undefined;
}

export interface TuneReport {
  readonly run: string;
  /** The one that was trained. */
  readonly best: ReportedCandidate;
  /** The one with the highest mean. */
  readonly highest: ReportedCandidate;
  readonly select: Select;
  /** Standard error of the highest mean. */
  readonly standardError: number;
  /** What `mean` and `std` are of. */
  readonly figure: FigureName;
  readonly folds: number;
  readonly layers: readonly {
    readonly layer: string;
    readonly pool: string;
    readonly dim: number;
    readonly reason: string;
  }[];
  readonly candidates: readonly ReportedCandidate[];
  /** Of the search alone. */
  readonly seconds: number;
  readonly trained: TrainReport;
  /** With --unfreeze: whether it pays. */
  readonly unfreezing?: Unfreezing;
  readonly learningCurve?: LearningCurve & { readonly svg: string };
  readonly lrFind?: RateTest & { readonly svg: string };
}

export interface TuneHooks extends Hooks {
  /** Candidates judged. */
  readonly onCandidate?: Hooks['onProgress'];
}
