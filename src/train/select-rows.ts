import type { FeatureSet } from './feature-set.js';

/** Some examples of a set, in the order given, as a set of its own. */
export function selectRows(set: FeatureSet, rows: ArrayLike<number>): FeatureSet {
  const { dim, classes } = set;
  const outputs = classes.length;
  const count = rows.length;
  const features = new Float32Array(count * dim);
  const labels = new Int32Array(set.labels.length > 0 ? count : 0);
  const targets = set.targets && new Float32Array(count * outputs);
  for (let i = 0; i < count; i++) {
    const row = rows[i]!;
    features.set(set.features.subarray(row * dim, (row + 1) * dim), i * dim);
    if (labels.length > 0) labels[i] = set.labels[row]!;
    targets?.set(set.targets!.subarray(row * outputs, (row + 1) * outputs), i * outputs);
  }
  return { ...set, rows: count, features, labels, ...(targets && { targets }) };
}
