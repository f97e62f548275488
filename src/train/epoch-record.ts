import type { Score } from '../tasks/task.js';

/** What is told of an epoch, or of an iteration of L-BFGS. */
export interface EpochRecord {
  readonly epoch: number;
  readonly objective: number;
  readonly train: Score;
  readonly validation?: Score;
}
