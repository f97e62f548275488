import type { Targets } from '../tasks/targets.js';

/** Features of some examples, and what these are to be predicted as. */
export interface FeatureSet extends Targets {
  /** [rows, dim], row-major. */
  readonly features: Float32Array;
  readonly dim: number;
  /** How often each example appears, view after view (see `stackViews`); default once. */
  readonly views?: number;
}
