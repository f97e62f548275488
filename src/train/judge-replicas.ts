/**
 * Judges candidates that go by epochs as replicas of step graphs: those of one head and one seed share their batches, and
 * the folds, and seeds of which the same is tried, go side by side in the same graph where they can.
 */
import { buildHead } from '../heads/build-head.js';
import type { HeadShape, HeadSpec } from '../heads/head.js';
import { sizeOf } from '../tensor/shape.js';
import type { Candidate, Judged } from './candidate.js';
import { type FoldBase, lastOfSchedule } from './fit-fold.js';
import { foldParts, type Folds } from './fold-parts.js';
import { type EpochScores, fitReplicas, type ReplicaFit } from './fit-replicas.js';
import { judgeFailed, judgeHistories } from './judge.js';
import { canShareStep, type Lane } from './lane.js';
import { canReplicate } from './replica-head.js';

export interface FoldsToJudge extends Folds {
  /** Folds are numbered from 0 to `foldCount` - 1. */
  readonly foldCount: number;
  readonly base: FoldBase;
  /** How much of the candidates at work is done, from 0 to 1. */
  readonly onShare?: ((share: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Candidates of one head: a group for each seed, of which all try the same. */
export interface Squad<C extends Candidate> {
  readonly head: HeadSpec;
  readonly groups: readonly (readonly C[])[];
}

/** Most weights of all replicas that are trained together. */
const numbersAtOnce = 2 ** 22;

export function squadsOf<C extends Candidate>(
  candidates: readonly C[],
  setting: FoldsToJudge,
): readonly Squad<C>[] {
  const squads = new Map<string, { head: HeadSpec; groups: (readonly C[])[] }>();
  for (const group of groupAlike(candidates, setting)) {
    const { head } = group[0]!;
    // Where folds cannot share a graph, seeds cannot either.
    const key = JSON.stringify(
      canShare(head, group.length, 2, setting) ? [head, fitsOf(group)] : squads.size,
    );
    const squad = squads.get(key);
    if (squad && canShare(head, group.length, squad.groups.length + 1, setting)) squad.groups.push(group);
    else squads.set(squad ? `${key} ${squads.size}` : key, { head, groups: [group] });
  }
  return [...squads.values()];
}

/** Candidates that can share their batches, most of their graph and their features: of one head and one seed. */
function groupAlike<C extends Candidate>(candidates: readonly C[], setting: FoldsToJudge): (readonly C[])[] {
  const shape = shapeOf(setting);
  const groups: C[][] = [];
  const last = new Map<string, C[]>();
  for (const candidate of candidates) {
    const { head, seed } = candidate;
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

function fitsOf(group: readonly Candidate[]): readonly ReplicaFit[] {
  return group.map(({ solver, l2, lr, weightDecay }) => ({
    solver: solver === 'sgd' ? ('sgd' as const) : ('adamw' as const),
    ...{ l2, lr, weightDecay },
  }));
}

function shapeOf({ train, base }: FoldsToJudge): HeadShape {
  return { dim: train.dim, outputCount: train.classes.length, task: base.task ?? 'single' };
}

function mostReplicas(head: HeadSpec, shape: HeadShape): number {
  const numbers = [...buildHead(head, shape).parameters.values()].reduce(
    (sum, dims) => sum + sizeOf(dims),
    0,
  );
  return Math.max(1, Math.floor(numbersAtOnce / numbers));
}

/** The one candidate of a squad, where nothing is gained by a graph of replicas. */
export function onlyOne<C extends Candidate>(
  { head, groups }: Squad<C>,
  setting: FoldsToJudge,
): C | undefined {
  const [[candidate, ...others]] = groups as readonly [readonly [C, ...C[]]];
  const isOnly = groups.length === 1 && others.length === 0;
  return isOnly && !canShare(head, 1, 1, setting) ? candidate : undefined;
}

/** Whether all folds of so many candidates and seeds go into one graph. */
function canShare(head: HeadSpec, candidates: number, seeds: number, setting: FoldsToJudge): boolean {
  const { train, folds, foldCount, base } = setting;
  const rows = new Array<number>(foldCount).fill(train.rows);
  for (const fold of folds) rows[fold]!--;
  const sizes = Array.from({ length: seeds }, () => rows).flat();
  return (
    canReplicate(head, shapeOf(setting)) &&
    candidates * sizes.length <= mostReplicas(head, shapeOf(setting)) &&
    canShareStep(train, sizes, head, base)
  );
}

/** Of all its candidates, group by group. */
export async function judgeSquad<C extends Candidate>(
  { head, groups }: Squad<C>,
  setting: FoldsToJudge,
  epochs: number,
): Promise<Judged<C>[]> {
  const { foldCount, base, onShare, signal } = setting;
  const atEpoch = lastOfSchedule(base, epochs);
  const laneOf = (seed: number | undefined, fold: number): Lane => {
    const { kept, held } = foldParts(setting, fold);
    return { train: kept, held, seed: seed ?? base.seed ?? 1 };
  };
  const fits = fitsOf(groups[0]!);
  const options = { ...base, head, epochs, ...(signal && { signal }) };
  const all = groups.flatMap(([first]) =>
    Array.from({ length: foldCount }, (_, fold) => () => laneOf(first!.seed, fold)),
  );
  const found: (readonly EpochScores[] | undefined)[][] = [];
  if (canShare(head, fits.length, groups.length, setting)) {
    found.push(
      ...(await fitReplicas(
        all.map((open) => open()),
        fits,
        { ...options, onPass: (epoch) => onShare?.(epoch / epochs) },
      )),
    );
  } else {
    for (const open of all) {
      found.push(...(await fitReplicas([open()], fits, options)));
      onShare?.(found.length / all.length);
    }
  }
  return groups.flatMap((group, g) =>
    group.map((candidate, i) => {
      const own = found.slice(g * foldCount, (g + 1) * foldCount).map((lane) => lane[i]);
      const histories = own.filter((history) => history !== undefined);
      return histories.length < foldCount
        ? judgeFailed(candidate, foldCount)
        : judgeHistories(candidate, histories, base.task, atEpoch);
    }),
  );
}
