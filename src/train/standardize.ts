import type { Standardization } from '../heads/head.js';
import type { FeatureSet } from './feature-set.js';

/** Mean and (population) standard deviation of each feature, in float64; a constant feature counts as deviation 1. */
export function fitStandardization({
  features,
  dim,
  rows,
}: Pick<FeatureSet, 'features' | 'dim' | 'rows'>): Standardization {
  const mean = new Float64Array(dim);
  const std = new Float64Array(dim);
  for (let at = 0; at < rows * dim; at += dim) for (let d = 0; d < dim; d++) mean[d]! += features[at + d]!;
  for (let d = 0; d < dim; d++) mean[d]! /= rows;
  for (let at = 0; at < rows * dim; at += dim) {
    for (let d = 0; d < dim; d++) std[d]! += (features[at + d]! - mean[d]!) ** 2;
  }
  for (let d = 0; d < dim; d++) {
    const deviation = Math.sqrt(std[d]! / rows);
    // A constant feature leaves only the rounding of its own mean.
    std[d] = deviation > 1e-7 * Math.max(1e-12, Math.abs(mean[d]!)) ? deviation : 1;
  }
  return { mean, std };
}

/** A copy of the features with (x - mean) / std. */
export function standardize(set: FeatureSet, { mean, std }: Standardization): FeatureSet {
  const { features, dim, rows } = set;
  const scaled = new Float32Array(rows * dim);
  const factor = std.map((deviation) => 1 / deviation);
  for (let at = 0; at < rows * dim; at += dim) {
    for (let d = 0; d < dim; d++) scaled[at + d] = (features[at + d]! - mean[d]!) * factor[d]!;
  }
  return { ...set, features: scaled };
}
