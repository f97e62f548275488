/** Features and labels of some examples. */
export interface FeatureSet {
  /** [rows, dim], row-major. */
  readonly features: Float32Array;
  readonly dim: number;
  readonly rows: number;
  /** Index into `classes`, one a row. */
  readonly labels: Int32Array;
  readonly classes: readonly string[];
}
