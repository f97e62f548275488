/** What a split keeps even between its parts: classes, sets of labels, or ranges of a number. */
import type { Dataset } from './dataset.js';

export interface Strata {
  /** One for each row. */
  readonly of: Int32Array;
  readonly count: number;
}

/** Ranges that numbers are divided into. */
const ranges = 10;

/** @param share - what is held out: each range and set is large enough to give it, so that together they give no more */
export function stratify(
  { task, classes, targets, examples }: Dataset,
  rows: readonly number[],
  share: number,
): Strata {
  const least = Math.max(2, share > 0 ? Math.ceil(1 / share) : 0);
  const labels = Int32Array.from(rows, (row) => examples.at(row).label);
  if (task === 'single' || task === 'ordered') return { of: labels, count: classes.length };
  if (task === 'multi') return mergeRare(labels, least);
  // Ranges of the first number with as many examples each.
  const order = Array.from(labels.keys()).sort(
    (a, b) => targets![labels[a]! * classes.length]! - targets![labels[b]! * classes.length]!,
  );
  const count = Math.max(1, Math.min(ranges, Math.floor(rows.length / least)));
  const of = new Int32Array(rows.length);
  order.forEach((row, i) => (of[row] = Math.floor((i * count) / rows.length)));
  return { of, count };
}

/** Sets of labels with fewer examples than a stratum needs share one. */
function mergeRare(labels: Int32Array, least: number): Strata {
  const counts = new Map<number, number>();
  for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1);
  const frequent = [...counts].filter(([, n]) => n >= least).map(([label]) => label);
  const rare = labels.length - frequent.reduce((sum, label) => sum + counts.get(label)!, 0);
  // Too few to be a stratum: they join the first.
  const restStratum = rare >= least || frequent.length === 0 ? frequent.length : 0;
  const numberOf = new Map(frequent.map((label, i) => [label, i]));
  return {
    of: labels.map((label) => numberOf.get(label) ?? restStratum),
    count: Math.max(frequent.length, restStratum + 1),
  };
}
