/**
 * Judges candidates by cross-validation: every fold is held out once.
 *
 * Linear heads trained to the optimum go through one sweep, all folds and penalties together. Others are trained fold by
 * fold. Those that go by epochs and have the head and the seed in common are replicas of one step graph. They run without
 * early stopping, which would choose the epoch by the fold it is judged on: the epoch is one for all folds, that of the
 * lowest mean loss. Many of them go by successive halving (Jamieson & Talwalkar 2016): all for a ninth of the epochs, the
 * best third of them for a third, the best third of these to the end.
 */
import { GraftError } from '../errors.js';
import { buildHead } from '../heads/build-head.js';
import type { HeadShape, HeadSpec } from '../heads/head.js';
import type { Score, TaskKind } from '../tasks/task.js';
import { taskOf } from '../tasks/task-of.js';
import { sizeOf } from '../tensor/shape.js';
import { type Candidate, type Judged, meanOf, sampleDeviation } from './candidate.js';
import type { AnyFeatureSet } from './feature-set.js';
import { fitFold, type FoldBase } from './fit-fold.js';
import { type EpochScores, fitReplicas } from './fit-replicas.js';
import { canReplicate } from './replica-head.js';
import { selectRows } from './select-rows.js';
import { sweepOptimum } from './sweep-optimum.js';
import type { EpochRecord } from './epoch-record.js';

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
/** Most weights of all candidates that are trained together. */
const numbersAtOnce = 2 ** 22;

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
    for (const group of groupAlike(left, setting)) {
      const results =
        group.length > 1
          ? await judgeTogether(group, setting, rung)
          : [await judgeAlone(group[0]!, setting, rung)];
      judged.push(...results);
      if (isLast) for (const result of results) onJudged?.(result);
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
  return judgeHistories(
    candidate,
    histories.map((history) => history.map(({ train, validation }) => ({ train, validation: validation! }))),
    setting,
  );
}

/** Candidates that can share their batches, most of their graph and their features: of one head and one seed. */
function groupAlike<C extends Candidate>(
  candidates: readonly C[],
  { train, base }: CrossValidation<C>,
): (readonly C[])[] {
  const groups: C[][] = [];
  const last = new Map<string, C[]>();
  for (const candidate of candidates) {
    const { head, seed } = candidate;
    const shape = { dim: train.dim, outputCount: train.classes.length, task: base.task ?? 'single' };
    const key = JSON.stringify([head, seed]);
    const group = last.get(key);
    if (group && canReplicate(head, shape) && group.length < mostReplicas(head, shape)) group.push(candidate);
    else {
      const begun = [candidate];
      groups.push(begun);
      last.set(key, begun);
    }
  }
  return groups;
}

function mostReplicas(head: HeadSpec, shape: HeadShape): number {
  const numbers = [...buildHead(head, shape).parameters.values()].reduce(
    (sum, dims) => sum + sizeOf(dims),
    0,
  );
  return Math.max(1, Math.floor(numbersAtOnce / numbers));
}

/** As `judgeAlone`, all at once: each fold trains them as replicas of one step graph. */
async function judgeTogether<C extends Candidate>(
  candidates: readonly C[],
  setting: CrossValidation<C>,
  epochs: number,
): Promise<Judged<C>[]> {
  const { train, folds, foldCount, base, signal } = setting;
  const [{ head, seed }] = candidates as readonly [C];
  const rows = Array.from(folds.keys());
  const histories: (readonly EpochScores[] | undefined)[][] = candidates.map(() => []);
  for (let fold = 0; fold < foldCount; fold++) {
    const kept = selectRows(
      train,
      rows.filter((row) => folds[row] !== fold),
    );
    const held = selectRows(
      train,
      rows.filter((row) => folds[row] === fold),
    );
    const fits = candidates.map(({ solver, l2, lr, weightDecay }) => ({
      solver: solver === 'sgd' ? ('sgd' as const) : ('adamw' as const),
      ...{ l2, lr, weightDecay },
    }));
    const options = { ...base, head, epochs, ...(seed !== undefined && { seed }), ...(signal && { signal }) };
    const found = await fitReplicas(kept, held, fits, options);
    found.forEach((history, i) => histories[i]!.push(history));
  }
  return candidates.map((candidate, i) => {
    const own = histories[i]!.filter((history) => history !== undefined);
    return own.length < foldCount
      ? judgeFailed(candidate, foldCount)
      : judgeHistories(candidate, own, setting);
  });
}

/** At the one epoch at which the folds' mean loss is lowest. */
function judgeHistories<C extends Candidate>(
  candidate: C,
  histories: readonly (readonly EpochScores[])[],
  setting: CrossValidation<C>,
): Judged<C> {
  const lossAt = (epoch: number): number =>
    meanOf(histories.map((history) => history[epoch]!.validation.loss));
  let best = 0;
  for (let epoch = 1; epoch < histories[0]!.length; epoch++) if (lossAt(epoch) < lossAt(best)) best = epoch;
  return {
    ...judge(
      candidate,
      histories.map((history) => history[best]!),
      setting.base.task,
    ),
    epochs: best + 1,
  };
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
