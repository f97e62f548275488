/** What a search found, as cells of text: for a terminal and for a page. */
import { formatFigure } from '../tasks/describe-score.js';
import type { ReportedCandidate } from '../train/candidate.js';
import type { TuneReport } from './tuning-run.js';

export interface SearchTable {
  readonly header: readonly string[];
  /** The best candidates, with a star before the one that was kept. */
  readonly rows: readonly (readonly string[])[];
  /** Candidates that are not among them. */
  readonly left: number;
  /** Why the one with the star was kept. */
  readonly why: string;
}

/** Columns that not every search has. */
const searched: Readonly<Record<string, (candidate: ReportedCandidate) => number | undefined>> = {
  decay: ({ weightDecay }) => weightDecay,
  dropout: ({ head }) => (head.kind === 'mlp' && head.dropout > 0 ? head.dropout : undefined),
  lr: ({ lr }) => lr,
  seed: ({ seed }) => seed,
};

const mostRows = 24;

export function tabulateSearch({
  best,
  highest,
  candidates,
  figure,
  folds,
  standardError,
  layers,
}: TuneReport): SearchTable {
  const show = (value: number): string => formatFigure(figure, value);
  const shown = candidates
    .toSorted((a, b) => Number(hasFailed(a)) - Number(hasFailed(b)) || b.mean - a.mean)
    .slice(0, mostRows);
  // Of what candidates may have, what one of them has.
  const columns = Object.entries(searched).filter(([, read]) =>
    candidates.some((candidate) => read(candidate) !== undefined),
  );
  const hasLayers = layers.length > 1;
  const hasTails = candidates.some(({ tail }) => tail !== undefined);
  const rows = shown.map((candidate) => [
    isSame(candidate, best) ? '*' : '',
    ...(hasLayers ? [candidate.layer] : []),
    candidate.head.kind,
    candidate.solver,
    String(candidate.l2),
    ...columns.map(([, read]) => String(read(candidate) ?? '')),
    ...(hasTails ? describeTail(candidate.tail) : []),
    ...(hasFailed(candidate)
      ? ['', '', '', '', 'its loss became infinite']
      : [
          show(candidate.mean),
          `± ${show(candidate.std)}`,
          candidate.loss.toFixed(4),
          show(candidate.train),
          droppedAfter(candidate.droppedAt),
        ]),
  ]);
  const header = [
    '',
    ...(hasLayers ? ['layer'] : []),
    'head',
    'solver',
    'l2',
    ...columns.map(([name]) => name),
    ...(hasTails ? ['unfrozen after', 'tail lr', 'epochs'] : []),
    figure,
    'std',
    'loss',
    'train',
    '',
  ];
  const why = isSame(best, highest)
    ? `* has the highest mean over ${folds} folds`
    : `* is the simplest within one standard error (${show(standardError)}) of the highest mean, ${show(highest.mean)}`;
  return { header, rows, left: candidates.length - shown.length, why };
}

/** Whether it has no figures, and 0 in their place. */
export const hasFailed = ({ droppedAt }: ReportedCandidate): boolean => droppedAt === 0;

function droppedAfter(epoch: number | undefined): string {
  if (epoch === undefined) return '';
  return `dropped after ${epoch} ${epoch === 1 ? 'epoch' : 'epochs'}`;
}

/** Layer, rate and epochs. */
export const describeTail = (tail: ReportedCandidate['tail']): string[] =>
  tail ? [tail.unfreeze, String(tail.lr), String(tail.epochs)] : ['', '', ''];

function isSame(a: ReportedCandidate, b: ReportedCandidate): boolean {
  return (
    a.layer === b.layer &&
    a.head.kind === b.head.kind &&
    a.solver === b.solver &&
    a.l2 === b.l2 &&
    Object.values(searched).every((read) => read(a) === read(b)) &&
    describeTail(a.tail).join() === describeTail(b.tail).join()
  );
}
