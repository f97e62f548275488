/** A training part in which every example appears several times: as it is, and as random views of it. */
import type { FeatureSet } from './feature-set.js';

/** Row v · examples + i is view v of example i; view 0 is the example as it is. */
export function stackViews(plain: FeatureSet, views: readonly Float32Array[]): FeatureSet {
  if (views.length === 0) return plain;
  const { rows, dim, labels, targets } = plain;
  const count = 1 + views.length;
  const features = new Float32Array(count * rows * dim);
  for (const [v, part] of [plain.features, ...views].entries()) features.set(part, v * rows * dim);
  return {
    ...plain,
    rows: count * rows,
    views: count,
    features,
    labels: repeated(labels, count),
    ...(targets && { targets: repeated(targets, count) }),
  };
}

/** The examples as they are. */
export function withoutViews(set: FeatureSet): FeatureSet {
  const { views = 1, dim, classes, labels, targets, features } = set;
  if (views === 1) return set;
  const rows = set.rows / views;
  return {
    ...set,
    rows,
    views: 1,
    features: features.subarray(0, rows * dim),
    labels: labels.subarray(0, labels.length / views),
    ...(targets && { targets: targets.subarray(0, rows * classes.length) }),
  };
}

function repeated<T extends Int32Array | Float32Array>(values: T, count: number): T {
  const all = new (values.constructor as new (length: number) => T)(values.length * count);
  for (let v = 0; v < count; v++) all.set(values, v * values.length);
  return all;
}
