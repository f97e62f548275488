/**
 * Judges candidates by cross-validation: every fold is held out once.
 *
 * Linear heads trained to the optimum go through one sweep, all folds and penalties together. Others are trained fold by
 * fold; those that go by epochs run without early stopping, which would choose the epoch by the fold it is judged on: the
 * epoch is one for all folds, that of the lowest mean loss. Many of them go by successive halving (Jamieson & Talwalkar
 * 2016): all for a ninth of the epochs, the best third of them for a third, the best third of these to the end.
 */
import { GraftError } from '../errors.js';
import type { TaskKind } from '../tasks/task.js';
import { taskOf } from '../tasks/task-of.js';
import { type Candidate, type Judged, meanOf, sampleDeviation } from './candidate.js';
import type { AnyFeatureSet } from './feature-set.js';
import { fitFold, type FoldBase } from './fit-fold.js';
import { sweepOptimum } from './sweep-optimum.js';
import type { EpochRecord, Score } from './train-head.js';

export interface CrossValidation<C extends Candidate = Candidate> {
  readonly train: AnyFeatureSet;
  /** Fold of each example, from 0 to `foldCount` - 1. */
  readonly folds: Int32Array;
  readonly foldCount: number;
  readonly base: FoldBase;
  /** Most epochs of those that go by them (30); L-BFGS goes to the optimum. */
  readonly epochs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** After each candidate. */
  readonly onJudged?: (judged: Judged<C>) => void;
}

const usualEpochs = 30;
/** Candidates that go by epochs from which on they are halved. */
const manyCandidates = 6;

export async function crossValidate<C extends Candidate>(
  candidates: readonly C[],
  setting: CrossValidation<C>,
): Promise<Judged<C>[]> {
  const swept = candidates.filter((candidate) => canSweep(candidate, setting.base));
  const single = candidates.filter((candidate) => !canSweep(candidate, setting.base));
  return [...(await sweep(swept, setting)), ...(await halve(single, setting))];
}

function canSweep({ head, solver, l2 }: Candidate, base: CrossValidation['base']): boolean {
  return head.kind === 'linear' && solver === 'lbfgs' && l2 > 0 && (base.classWeights ?? 'none') === 'none';
}

async function sweep<C extends Candidate>(
  candidates: readonly C[],
  setting: CrossValidation<C>,
): Promise<Judged<C>[]> {
  const [first] = candidates;
  if (!first) return [];
  const { train, folds, foldCount, base, signal, onJudged } = setting;
  const judged = new Map<number, Judged<C>>();
  await sweepOptimum({
    train,
    folds,
    foldCount,
    l2: candidates.map(({ l2 }) => l2),
    head: first.head,
    task: base.task ?? 'single',
    loss: base.loss,
    standardize: base.standardize ?? true,
    threads: base.threads,
    signal,
    onPenalty(l2, fits) {
      const candidate = candidates.find((each) => each.l2 === l2)!;
      const result = judge(candidate, fits, setting.base.task);
      judged.set(l2, result);
      onJudged?.(result);
    },
  });
  return candidates.map(({ l2 }) => judged.get(l2)!);
}

async function halve<C extends Candidate>(
  candidates: readonly C[],
  setting: CrossValidation<C>,
): Promise<Judged<C>[]> {
  const { epochs = usualEpochs, onJudged } = setting;
  const goesByEpochs = ({ solver }: Candidate): boolean => solver === 'adamw' || solver === 'sgd';
  const done: Judged<C>[] = [];
  for (const candidate of candidates.filter((each) => !goesByEpochs(each))) {
    done.push(await judgeAlone(candidate, setting, undefined));
    onJudged?.(done.at(-1)!);
  }
  let left = candidates.filter(goesByEpochs);
  const rungs = left.length < manyCandidates ? [epochs] : [epochs / 9, epochs / 3, epochs].map(Math.ceil);
  for (const [i, rung] of rungs.entries()) {
    const isLast = i === rungs.length - 1;
    const judged: Judged<C>[] = [];
    for (const candidate of left) {
      judged.push(await judgeAlone(candidate, setting, rung));
      if (isLast) onJudged?.(judged.at(-1)!);
    }
    if (isLast) done.push(...judged);
    else {
      const ranked = judged.toSorted((a, b) => b.mean - a.mean || a.loss - b.loss);
      const kept = Math.max(2, Math.ceil(ranked.length / 3));
      left = ranked.slice(0, kept).map(({ candidate }) => candidate);
      for (const result of ranked.slice(kept)) {
        done.push({ ...result, droppedAt: rung });
        onJudged?.(done.at(-1)!);
      }
    }
  }
  return candidates.map((candidate) => done.find((result) => result.candidate === candidate)!);
}

async function judgeAlone<C extends Candidate>(
  candidate: C,
  setting: CrossValidation<C>,
  epochs: number | undefined,
): Promise<Judged<C>> {
  const { foldCount } = setting;
  const { solver } = candidate;
  const histories: (readonly EpochRecord[])[] = [];
  const finals: { train: Score; validation: Score }[] = [];
  for (let fold = 0; fold < foldCount; fold++) {
    const result = await fitFold(candidate, { ...setting, epochs }, fold).catch((error: unknown) => {
      // A learning rate that is too high is an answer, not the end of the search.
      if (error instanceof GraftError && error.code === 'TRAINING_FAILED') return undefined;
      throw error;
    });
    if (!result) return judgeFailed(candidate, foldCount);
    histories.push(result.history);
    finals.push({ train: result.train, validation: result.validation! });
  }
  if (solver !== 'adamw' && solver !== 'sgd') return judge(candidate, finals, setting.base.task);
  const lossAt = (epoch: number): number =>
    meanOf(histories.map((history) => history[epoch]!.validation!.loss));
  let best = 0;
  for (let epoch = 1; epoch < histories[0]!.length; epoch++) if (lossAt(epoch) < lossAt(best)) best = epoch;
  const atBest = histories.map((history) => {
    const { train: trained, validation } = history[best]!;
    return { train: trained, validation: validation! };
  });
  return { ...judge(candidate, atBest, setting.base.task), epochs: best + 1 };
}

/** From the scores in each fold. */
export function judge<C extends Candidate>(
  candidate: C,
  fits: readonly { readonly train: Score; readonly validation: Score }[],
  task: TaskKind = 'single',
): Judged<C> {
  const { name } = taskOf(task).figure;
  const folds = fits.map(({ validation }) => validation[name]!);
  return {
    candidate,
    folds,
    mean: meanOf(folds),
    std: sampleDeviation(folds),
    loss: meanOf(fits.map(({ validation }) => validation.loss)),
    train: meanOf(fits.map(({ train }) => train[name]!)),
  };
}

/** Of a candidate whose loss became infinite. */
export function judgeFailed<C extends Candidate>(candidate: C, foldCount: number): Judged<C> {
  const folds = new Array<number>(foldCount).fill(0);
  return { candidate, folds, mean: 0, std: 0, loss: Number.MAX_VALUE, train: 0, droppedAt: 0 };
}
