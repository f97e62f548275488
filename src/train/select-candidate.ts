/**
 * Which candidate a search keeps.
 *
 * `one-se` (Breiman et al. 1984): the simplest whose mean lies within one standard error of the best mean. Simplest is,
 * in this order: the head alone, the smaller kind of head, the fewer weights, the larger L2, the larger weight decay, the
 * more dropout, the smaller learning rates.
 */
import type { HeadSpec } from '../heads/head.js';
import type { Candidate, Judged } from './candidate.js';

export type Select = 'best' | 'one-se';

export interface Selection<J> {
  /** The one to train. */
  readonly chosen: J;
  /** The one with the highest mean; the lower loss decides between equals. */
  readonly highest: J;
  /** Standard error of its mean. */
  readonly standardError: number;
}

/** @param weightsOf - numbers that a candidate trains */
export function selectCandidate<J extends Judged>(
  judged: readonly J[],
  select: Select,
  weightsOf: (candidate: J['candidate']) => number,
): Selection<J> {
  const finished = judged.filter(({ droppedAt }) => droppedAt === undefined);
  const highest = finished.reduce((best, next) =>
    next.mean > best.mean || (next.mean === best.mean && next.loss < best.loss) ? next : best,
  );
  const standardError = highest.std / Math.sqrt(highest.folds.length);
  if (select === 'best') return { chosen: highest, highest, standardError };
  const compare = (a: Candidate, b: Candidate): number =>
    Number(a.tail !== undefined) - Number(b.tail !== undefined) ||
    kindRank[a.head.kind] - kindRank[b.head.kind] ||
    weightsOf(a) - weightsOf(b) ||
    b.l2 - a.l2 ||
    (b.weightDecay ?? 0) - (a.weightDecay ?? 0) ||
    dropoutOf(b) - dropoutOf(a) ||
    (a.tail?.lr ?? 0) - (b.tail?.lr ?? 0) ||
    (a.tail?.epochs ?? 0) - (b.tail?.epochs ?? 0) ||
    (a.lr ?? 0) - (b.lr ?? 0);
  const [chosen] = finished
    .filter(({ mean }) => mean >= highest.mean - standardError)
    .sort((a, b) => compare(a.candidate, b.candidate) || b.mean - a.mean);
  return { chosen: chosen!, highest, standardError };
}

const dropoutOf = ({ head }: Candidate): number => (head.kind === 'mlp' ? head.dropout : 0);

const kindRank: Readonly<Record<HeadSpec['kind'], number>> = { prototype: 0, linear: 1, cosine: 2, mlp: 3 };
