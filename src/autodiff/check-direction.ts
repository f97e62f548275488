/**
 * All gradients in a few runs, however many weights there are: along one random direction d,
 *
 *   Σ <dL/dp, d_p>  should be  (L(p + h d) − L(p − h d)) / 2h
 *
 * The elements of d_p are ± s_p with s_p = 1 / ‖dL/dp‖, so that each parameter is expected to contribute 1, and one whose
 * gradient is wrong by a share of its length moves the sum by that share. A norm counts as no less than a thousandth of the
 * largest one: what is smaller may be nothing but the rounding of the others.
 */
import type { Rng } from '../rng.js';
import type { Tensor } from '../tensor/tensor.js';
import { slopeAlong } from './central-difference.js';

export interface DirectionCheck {
  /** How many parameters were moved together: all, or all but scalars where those lead out of where the loss is defined. */
  readonly parameters: number;
  /** The slope by the gradients, and by the difference. */
  readonly analytic: number;
  readonly numeric: number;
  /** Their difference, in units of what one parameter is expected to contribute. */
  readonly relativeError: number;
  /** Where that is above the tolerance: the parameters whose own directions are too, as far as they were looked for. */
  readonly suspects: readonly string[];
}

export interface Movable {
  readonly name: string;
  readonly gradient: Tensor;
  /** The point: filled with other numbers for a while, and with `before` in the end. */
  readonly data: Float64Array;
  readonly before: ArrayLike<number>;
}

export interface DirectionOptions {
  /** The loss at the point that the parameters' `data` hold now. */
  readonly evaluate: () => Promise<number>;
  /** At the point itself, and the sum of the magnitudes that were added up for it. */
  readonly here: number;
  readonly magnitude: number;
  readonly rng: Rng;
  readonly tolerance: number;
  /** Whether there is time for a further comparison. */
  readonly hasTime: () => boolean;
}

/** @returns undefined where the direction leads over kinks at every step, or nothing moves */
export async function checkDirection(
  rows: readonly Movable[],
  options: DirectionOptions,
): Promise<DirectionCheck | undefined> {
  const norms = new Map(rows.map((row) => [row, normOf(row.gradient.data)]));
  const smallest = 1e-3 * Math.max(...norms.values());
  if (!(smallest > 0)) return undefined;
  const compare = (moved: readonly Movable[]): Promise<Omit<DirectionCheck, 'suspects'> | undefined> =>
    compareAlong(
      moved,
      moved.map((row) => Math.max(norms.get(row)!, smallest)),
      options,
    );
  // Among scalars are exponents, which no negative number lets be moved.
  const several = rows.filter(({ data }) => data.length > 1);
  const together = (await compare(rows)) ?? (several.length > 0 ? await compare(several) : undefined);
  if (!together) return undefined;
  const suspects: string[] = [];
  /** @param isWrong - whether that is known already */
  const search = async (part: readonly Movable[], isWrong: boolean): Promise<void> => {
    if (!isWrong) {
      if (!options.hasTime()) return;
      const found = await compare(part);
      if (!found || found.relativeError <= options.tolerance) return;
    }
    if (part.length === 1) return void suspects.push(part[0]!.name);
    const middle = part.length >> 1;
    await search(part.slice(0, middle), false);
    await search(part.slice(middle), false);
  };
  if (!(together.relativeError <= options.tolerance)) await search(rows, true);
  return { ...together, suspects };
}

/** @param norms - one for each row */
async function compareAlong(
  rows: readonly Movable[],
  norms: readonly number[],
  { evaluate, here, magnitude, rng, tolerance }: DirectionOptions,
): Promise<Omit<DirectionCheck, 'suspects'> | undefined> {
  // One unit of the contributions, when no element moves by more than the step.
  const unit = Math.min(...norms);
  const signs = rows.map(({ data }) => Int8Array.from(data, () => 2 * rng.integer(2) - 1));
  const analytic = rows.reduce((sum, { gradient: { data } }, row) => {
    let own = 0;
    for (let i = 0; i < data.length; i++) own += Number(data[i]) * signs[row]![i]!;
    return sum + (own * unit) / norms[row]!;
  }, 0);
  const moveTo = (t: number): void => {
    for (const [row, { data, before }] of rows.entries()) {
      const step = (t * unit) / norms[row]!;
      for (let i = 0; i < data.length; i++) data[i] = before[i]! + step * signs[row]![i]!;
    }
  };
  const at = (t: number): Promise<number> => {
    moveTo(t);
    return evaluate();
  };
  try {
    const numeric = await slopeAlong(at, { here, magnitude, tolerance: 0.1 * tolerance * unit, scale: 1 });
    if (numeric === undefined) return undefined;
    return {
      parameters: rows.length,
      analytic: analytic / unit,
      numeric: numeric / unit,
      relativeError: Math.abs(analytic - numeric) / unit,
    };
  } finally {
    moveTo(0);
  }
}

function normOf(values: ArrayLike<number | bigint>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += Number(values[i]) ** 2;
  return Math.sqrt(sum);
}
