/** A training part in which every example appears several times: as it is, and as random views of it. */
import { type AnyFeatureSet, type FeatureSet, isInMemory, type StreamedSet } from './feature-set.js';
import { pickRows, type RowSource, stackSources } from './row-source.js';
import { inOrder } from './read-batches.js';
import { selectRows } from './select-rows.js';

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

/** `stackViews` of features that are read when they are needed. */
export function stackStreamedViews(plain: StreamedSet, views: readonly RowSource[]): StreamedSet {
  if (views.length === 0) return plain;
  const { rows, labels, targets } = plain;
  const count = 1 + views.length;
  return {
    ...plain,
    rows: count * rows,
    views: count,
    features: stackSources([plain.features, ...views]),
    labels: repeated(labels, count),
    ...(targets && { targets: repeated(targets, count) }),
  };
}

/** Each counts once, however many views there are of it. */
export function countExamples({ rows, views = 1 }: Pick<AnyFeatureSet, 'rows' | 'views'>): number {
  return rows / views;
}

/** The examples as they are. */
export function withoutViews<Set extends AnyFeatureSet>(set: Set): Set {
  const { views = 1, dim, classes, labels, targets } = set;
  if (views === 1) return set;
  const rows = countExamples(set);
  return {
    ...set,
    rows,
    views: 1,
    features: isInMemory(set) ? set.features.subarray(0, rows * dim) : pickRows(set.features, inOrder(rows)),
    labels: labels.subarray(0, labels.length / views),
    ...(targets && { targets: targets.subarray(0, rows * classes.length) }),
  };
}

/** Some examples in the order given, each in all its views. */
export function selectExamples<Set extends AnyFeatureSet>(set: Set, examples: readonly number[]): Set {
  const { views = 1 } = set;
  const count = countExamples(set);
  const rows = Array.from({ length: views }, (_, v) => examples.map((example) => v * count + example));
  return selectRows(set, rows.flat());
}

function repeated<T extends Int32Array | Float32Array>(values: T, count: number): T {
  const all = new (values.constructor as new (length: number) => T)(values.length * count);
  for (let v = 0; v < count; v++) all.set(values, v * values.length);
  return all;
}
