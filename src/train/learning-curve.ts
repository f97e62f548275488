/**
 * How the figure grows with the number of examples, by cross-validation on parts of each fold's training rows, and what
 * twice as many would bring. Errors of learners fall about as a power of the number of examples n (Hestness et al. 2017):
 *
 *   error(n) = a + b · n^-c     a ≥ 0, b ≥ 0, c from a grid; least squares, each size weighing by 1 / its variance
 *
 * It is gone on with to twice the data at most, which is as far as five sizes can carry.
 */
import { createRng } from '../rng.js';
import { type Candidate, type Judged, meanOf } from './candidate.js';
import type { AnyFeatureSet } from './feature-set.js';
import { fitFold, type FoldBase, lastOfSchedule, withBatch } from './fit-fold.js';
import { judgeFits } from './judge.js';
import type { TrainResult } from './train-head.js';

export interface LearningCurveOptions {
  readonly train: AnyFeatureSet;
  readonly folds: Int32Array;
  readonly foldCount: number;
  readonly base: FoldBase;
  readonly shares?: readonly number[];
  readonly signal?: AbortSignal | undefined;
  readonly onSize?: (done: number, total: number) => void;
}

export interface CurveSize {
  readonly share: number;
  /** Training rows of a fold, on average. */
  readonly examples: number;
  readonly mean: number;
  readonly std: number;
  /** Mean figure on those rows themselves. */
  readonly train: number;
}

export interface PowerLaw {
  readonly a: number;
  readonly b: number;
  readonly c: number;
}

export interface LearningCurve {
  readonly sizes: readonly CurveSize[];
  /** Of 1 - figure. */
  readonly law: PowerLaw;
  /** What twice the examples of the largest size would bring by the law. */
  readonly twice: { readonly examples: number; readonly mean: number };
  readonly verdict: 'more data would help' | 'more data would help a little' | 'more data would hardly help';
}

const usualShares = [0.1, 0.2, 0.4, 0.7, 1];

export async function measureLearningCurve(
  { candidate, epochs }: Judged<Candidate>,
  options: LearningCurveOptions,
): Promise<LearningCurve> {
  const { train, folds, foldCount, shares = usualShares, signal, onSize } = options;
  const base = withBatch(options);
  const { seed = 1 } = base;
  const sizes: CurveSize[] = [];
  for (const share of shares) {
    const fits: TrainResult[] = [];
    const counts: number[] = [];
    // As many steps as all examples take: with fewer, a small part would look bad for want of training.
    const most = epochs && Math.ceil(epochs / share);
    for (let fold = 0; fold < foldCount; fold++) {
      const choose = (rows: readonly number[]): readonly number[] => {
        const kept = takeShare(rows, train.labels, share, seed + fold);
        counts.push(kept.length);
        return kept;
      };
      fits.push(await fitFold(candidate, { train, folds, base, epochs: most, signal }, fold, choose));
    }
    const judged = judgeFits(candidate, fits, base.task, most && lastOfSchedule(base, most));
    const examples = Math.round(meanOf(counts));
    sizes.push({ share, examples, mean: judged.mean, std: judged.std, train: judged.train });
    onSize?.(sizes.length, shares.length);
  }
  return { sizes, ...judgeCurve(sizes, foldCount) };
}

export function judgeCurve(
  sizes: readonly CurveSize[],
  foldCount: number,
): Pick<LearningCurve, 'law' | 'twice' | 'verdict'> {
  const law = fitPowerLaw(
    sizes.map(({ examples, mean, std }) => ({ n: examples, error: 1 - mean, deviation: std })),
  );
  const last = sizes.at(-1)!;
  const examples = 2 * last.examples;
  const mean = 1 - errorAt(law, examples);
  const gain = errorAt(law, last.examples) - errorAt(law, examples);
  const noise = last.std / Math.sqrt(foldCount);
  const verdict =
    gain < 0.002
      ? 'more data would hardly help'
      : gain < Math.max(0.005, noise)
        ? 'more data would help a little'
        : 'more data would help';
  return { law, twice: { examples, mean }, verdict };
}

export function errorAt({ a, b, c }: PowerLaw, n: number): number {
  return a + b * n ** -c;
}

/** Weighted least squares, with a and b solved for each exponent of a grid. */
export function fitPowerLaw(
  points: readonly { readonly n: number; readonly error: number; readonly deviation: number }[],
): PowerLaw {
  let best: PowerLaw = { a: meanOf(points.map(({ error }) => error)), b: 0, c: 1 };
  let bestCost = Number.POSITIVE_INFINITY;
  for (let c = 0.05; c <= 2.0001; c += 0.025) {
    let [sw, sx, sy, sxx, sxy] = [0, 0, 0, 0, 0];
    for (const { n, error, deviation } of points) {
      // No size counts without bound: five folds may agree by chance.
      const w = 1 / (deviation ** 2 + 0.005 ** 2);
      const x = n ** -c;
      sw += w;
      sx += w * x;
      sy += w * error;
      sxx += w * x * x;
      sxy += w * x * error;
    }
    const free = (sw * sxy - sx * sy) / (sw * sxx - sx * sx);
    const law: PowerLaw[] = [
      { a: (sy - free * sx) / sw, b: free, c },
      { a: 0, b: sxy / sxx, c },
      { a: sy / sw, b: 0, c },
    ];
    for (const each of law) {
      if (!(each.a >= 0 && each.b >= 0)) continue;
      const cost = points.reduce(
        (sum, { n, error, deviation }) =>
          sum + (errorAt(each, n) - error) ** 2 / (deviation ** 2 + 0.005 ** 2),
        0,
      );
      if (cost < bestCost) [best, bestCost] = [each, cost];
    }
  }
  return best;
}

/** A stratified share of rows: of each class so many, two at least. */
function takeShare(rows: readonly number[], labels: Int32Array, share: number, seed: number): number[] {
  if (share >= 1) return [...rows];
  const ofClass = new Map<number, number[]>();
  for (const row of createRng(seed).shuffle([...rows])) {
    const label = labels[row] ?? 0;
    const list = ofClass.get(label);
    if (list) list.push(row);
    else ofClass.set(label, [row]);
  }
  return [...ofClass.values()]
    .flatMap((list) => list.slice(0, Math.max(Math.min(2, list.length), Math.round(share * list.length))))
    .sort((a, b) => a - b);
}
