import { createRng, type Rng } from '../rng.js';

export interface Interval {
  readonly low: number;
  readonly high: number;
}

export interface BootstrapOptions {
  /** Default: 1000, fewer (but 200) where the rows are so many that it would take seconds. */
  readonly resamples?: number;
  /** Share of the resamples inside the interval. */
  readonly confidence?: number;
  readonly seed?: number;
  /**
   * Group of each row where rows of one group are alike (photos of one person, copies): whole groups are drawn then, as
   * if the rows were independent the intervals would be too narrow (Field & Welsh 2007).
   */
  readonly groups?: Int32Array | undefined;
}

/** Draws in all, about a third of a second. */
const drawBudget = 2e7;

/**
 * Percentile intervals of several metrics by the bootstrap (Efron 1979): they are computed on rows drawn with
 * replacement, again and again.
 * @param measure - of the rows whose indices it is given, which are only lent to it; always the same number of metrics. With groups
 *   their number changes from draw to draw
 */
export function bootstrapIntervals(
  rows: number,
  measure: (drawn: Int32Array) => readonly number[],
  {
    resamples = Math.round(Math.min(1000, Math.max(200, drawBudget / rows))),
    confidence = 0.95,
    seed = 1,
    groups,
  }: BootstrapOptions = {},
): Interval[] {
  const rng = createRng(seed);
  const draw = groups ? groupDrawer(groups, rng) : rowDrawer(rows, rng);
  const values: Float64Array[] = [];
  for (let i = 0; i < resamples; i++) {
    measure(draw()).forEach((value, m) => {
      (values[m] ??= new Float64Array(resamples))[i] = value;
    });
  }
  const tail = (1 - confidence) / 2;
  return values.map((sample) => {
    sample.sort();
    return { low: quantile(sample, tail), high: quantile(sample, 1 - tail) };
  });
}

/** Draws as many rows as there are. */
function rowDrawer(rows: number, rng: Rng): () => Int32Array {
  const drawn = new Int32Array(rows);
  return () => {
    for (let row = 0; row < rows; row++) drawn[row] = rng.integer(rows);
    return drawn;
  };
}

/** Draws as many groups as there are, each with all of its rows. */
function groupDrawer(groups: Int32Array, rng: Rng): () => Int32Array {
  const members = new Map<number, number[]>();
  for (const [row, group] of groups.entries()) {
    const own = members.get(group);
    if (own) own.push(row);
    else members.set(group, [row]);
  }
  const known = [...members.values()];
  let drawn = new Int32Array(groups.length);
  return () => {
    let length = 0;
    for (let i = 0; i < known.length; i++) {
      const rows = known[rng.integer(known.length)]!;
      if (length + rows.length > drawn.length) {
        const larger = new Int32Array(2 * (length + rows.length));
        larger.set(drawn);
        drawn = larger;
      }
      drawn.set(rows, length);
      length += rows.length;
    }
    return drawn.subarray(0, length);
  };
}

/** Linear interpolation between the two sorted values around the position. */
function quantile(sorted: Float64Array, share: number): number {
  const position = share * (sorted.length - 1);
  const below = Math.floor(position);
  const above = Math.min(sorted.length - 1, below + 1);
  return sorted[below]! + (position - below) * (sorted[above]! - sorted[below]!);
}
