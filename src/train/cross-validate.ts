/**
 * Judges candidates by cross-validation: every fold is held out once.
 *
 * Linear heads trained to the optimum go through one sweep, all folds and penalties together. Those that go by epochs and
 * have the head in common are replicas of one step graph. Others are trained fold by fold. None has
 * early stopping, which would choose the epoch by the fold it is judged on: the epoch is one for all folds, that of the
 * lowest mean loss, or the last one where rates fall to it. Many of them go by successive halving (Jamieson & Talwalkar 2016): all for a ninth of the epochs, the
 * best third of them for a third, the best third of these to the end.
 */
import { GraftError } from '../errors.js';
import { type Candidate, goesByEpochs, type Judged } from './candidate.js';
import { fitFold, lastOfSchedule, withBatch } from './fit-fold.js';
import { judge, judgeFailed, judgeFits } from './judge.js';
import { type FoldsToJudge, judgeSquad, onlyOne, squadsOf } from './judge-replicas.js';
import { sweepOptimum } from './sweep-optimum.js';
import type { TrainResult } from './train-head.js';

export interface CrossValidation<C extends Candidate = Candidate> extends FoldsToJudge {
  /** Most epochs of those that go by them (30). */
  readonly epochs?: number | undefined;
  /** After each candidate. */
  readonly onJudged?: (judged: Judged<C>) => void;
}

const usualEpochs = 30;
/** Candidates that go by epochs from which on they are halved. */
const manyCandidates = 6;

export async function crossValidate<C extends Candidate>(
  candidates: readonly C[],
  given: CrossValidation<C>,
): Promise<Judged<C>[]> {
  // The batch of the training on all folds that follows.
  const setting = { ...given, base: withBatch(given) };
  const swept = candidates.filter((candidate) => canSweep(candidate, setting));
  const single = candidates.filter((candidate) => !canSweep(candidate, setting));
  return [...(await sweep(swept, setting)), ...(await halve(single, setting))];
}

function canSweep(
  { head, solver, l2 }: Candidate,
  { base: { classWeights = 'none', tolerance } }: Pick<CrossValidation, 'base'>,
): boolean {
  const isToOptimum = solver === 'lbfgs' && tolerance === undefined;
  return head.kind === 'linear' && isToOptimum && l2 > 0 && classWeights === 'none';
}

async function sweep<C extends Candidate>(
  candidates: readonly C[],
  setting: CrossValidation<C>,
): Promise<Judged<C>[]> {
  const [first] = candidates;
  if (!first) return [];
  const { train, folds, foldCount, base, signal, onJudged, onShare } = setting;
  const judged = new Map<number, Judged<C>>();
  let fitted = 0;
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
    onFit: () => onShare?.(++fitted / (foldCount * candidates.length)),
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
    for (const squad of squadsOf(left, setting)) {
      const alone = onlyOne(squad, setting);
      const results = alone
        ? [await judgeAlone(alone, setting, rung)]
        : await judgeSquad(squad, setting, rung);
      judged.push(...results);
      if (isLast) for (const result of results) onJudged?.(result);
    }
    if (isLast) done.push(...judged);
    else {
      // Those that failed have no figure to be ranked by.
      const ranked = judged
        .filter(({ droppedAt }) => droppedAt === undefined)
        .sort((a, b) => b.mean - a.mean || a.loss - b.loss);
      const kept = ranked.slice(0, Math.max(2, Math.ceil(judged.length / 3)));
      left = kept.map(({ candidate }) => candidate);
      for (const result of judged.filter((each) => !kept.includes(each))) {
        done.push({ droppedAt: rung, ...result });
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
  const { foldCount, base, onShare } = setting;
  const fits: TrainResult[] = [];
  for (let fold = 0; fold < foldCount; fold++) {
    const result = await fitFold(candidate, { ...setting, epochs }, fold).catch((error: unknown) => {
      // A learning rate that is too high is an answer, not the end of the search.
      if (error instanceof GraftError && error.code === 'TRAINING_FAILED') return undefined;
      throw error;
    });
    if (!result) return judgeFailed(candidate, foldCount);
    fits.push(result);
    onShare?.((fold + 1) / foldCount);
  }
  return judgeFits(candidate, fits, base.task, epochs && lastOfSchedule(base, epochs));
}
