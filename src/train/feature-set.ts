import type { Targets } from '../tasks/targets.js';
import type { RowSource } from './row-source.js';

/** Features of some examples, and what these are to be predicted as. */
export interface FeatureSet extends Targets {
  /** [rows, dim], row-major. */
  readonly features: Float32Array;
  readonly dim: number;
  /** How often each example appears, view after view (see `stackViews`); default once. */
  readonly views?: number;
}

/** The same, with features that are read when they are needed. */
export interface StreamedSet extends Omit<FeatureSet, 'features'> {
  readonly features: RowSource;
}

export type AnyFeatureSet = FeatureSet | StreamedSet;

export function isInMemory(set: AnyFeatureSet): set is FeatureSet {
  return set.features instanceof Float32Array;
}
