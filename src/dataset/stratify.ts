/** What a split keeps even between its parts: classes, sets of labels, or ranges of a number. */
import type { Dataset } from './dataset.js';

export interface Strata {
  /** One for each row. */
  readonly of: Int32Array;
  readonly count: number;
}

/** Ranges that numbers are divided into. */
const ranges = 10;

export function stratify({ task, classes, targets, examples }: Dataset, rows: readonly number[]): Strata {
  const labels = Int32Array.from(rows, (row) => examples.at(row).label);
  if (task === 'single' || task === 'ordered') return { of: labels, count: classes.length };
  if (task === 'multi') return mergeRare(labels);
  // Ranges of the first number with as many examples each.
  const order = Array.from(labels.keys()).sort(
    (a, b) => targets![labels[a]! * classes.length]! - targets![labels[b]! * classes.length]!,
  );
  const count = Math.max(1, Math.min(ranges, Math.floor(rows.length / 2)));
  const of = new Int32Array(rows.length);
  order.forEach((row, i) => (of[row] = Math.floor((i * count) / rows.length)));
  return { of, count };
}

/** Sets of labels with fewer than two examples share a stratum. */
function mergeRare(labels: Int32Array): Strata {
  const counts = new Map<number, number>();
  for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1);
  const frequent = [...counts].filter(([, n]) => n > 1).map(([label]) => label);
  const rare = labels.reduce((sum, label) => sum + (counts.get(label) === 1 ? 1 : 0), 0);
  // A single rare one cannot be a stratum of two: it joins the first.
  const restStratum = rare > 1 || frequent.length === 0 ? frequent.length : 0;
  const numberOf = new Map(frequent.map((label, i) => [label, i]));
  return {
    of: labels.map((label) => numberOf.get(label) ?? restStratum),
    count: Math.max(frequent.length, restStratum + 1),
  };
}
