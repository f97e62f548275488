/** What a search found, as text: its candidates in a table, why one was taken, and what its further questions say. */
import type { TuneReport } from '../pipeline/tuning-run.js';
import { formatFigure } from '../tasks/describe-score.js';
import type { ReportedCandidate } from '../train/candidate.js';
import { describeTraining } from './describe-training.js';
import { formatSeconds, formatTable } from './format-text.js';

/** Columns that not every search has. */
const searched: Readonly<Record<string, (candidate: ReportedCandidate) => number | undefined>> = {
  decay: ({ weightDecay }) => weightDecay,
  dropout: ({ head }) => (head.kind === 'mlp' && head.dropout > 0 ? head.dropout : undefined),
  lr: ({ lr }) => lr,
  seed: ({ seed }) => seed,
};

/** Lines of the table: the best of them, and how many are left. */
const mostLines = 24;

export function describeTuning(report: TuneReport): string {
  const { best, highest, candidates, figure, folds, seconds, standardError, layers } = report;
  const show = (value: number): string => formatFigure(figure, value);
  const shown = candidates
    .toSorted((a, b) => Number(hasFailed(a)) - Number(hasFailed(b)) || b.mean - a.mean)
    .slice(0, mostLines);
  // Of what candidates may have, what one of them has.
  const columns = Object.entries(searched).filter(([, read]) =>
    candidates.some((candidate) => read(candidate) !== undefined),
  );
  const hasTails = candidates.some(({ tail }) => tail !== undefined);
  const rows = shown.map((candidate) => [
    candidate === best || isSame(candidate, best) ? '*' : '',
    ...(layers.length > 1 ? [candidate.layer] : []),
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
          candidate.droppedAt === undefined ? '' : `dropped after ${candidate.droppedAt} epochs`,
        ]),
  ]);
  const header = [
    '',
    ...(layers.length > 1 ? ['layer'] : []),
    'head',
    'solver',
    'l2',
    ...columns.map(([name]) => name),
    ...(hasTails ? ['unfrozen after', 'tail lr', 'epochs'] : []),
    figure,
    'over folds',
    'loss',
    'on training',
    '',
  ];
  const left = candidates.length - shown.length;
  const why = isSame(best, highest)
    ? `* has the highest mean over ${folds} folds`
    : `* is the simplest within one standard error (${show(standardError)}) of the highest mean, ${show(highest.mean)}`;
  return [
    formatTable([header, ...rows]) + (left > 0 ? `\n   and ${left} more in tune.json` : ''),
    `${why}; ${candidates.length} candidates judged in ${formatSeconds(seconds)}.`,
    ...(layers.length > 1 ? [describeLayers(report)] : []),
    ...(report.unfreezing ? [describeUnfreezing(report.unfreezing, report)] : []),
    ...(report.learningCurve ? [describeLearning(report.learningCurve, figure)] : []),
    ...(report.lrFind ? [describeRates(report.lrFind)] : []),
    describeTraining(report.trained),
  ].join('\n\n');
}

/** What has no figures, and 0 in their place. */
const hasFailed = ({ droppedAt }: ReportedCandidate): boolean => droppedAt === 0;

const describeTail = (tail: ReportedCandidate['tail']): string[] =>
  tail ? [tail.unfreeze, String(tail.lr), String(tail.epochs)] : ['', '', ''];

function describeUnfreezing(
  { headAlone, tuned, gain, better }: NonNullable<TuneReport['unfreezing']>,
  { best, figure, folds }: TuneReport,
): string {
  const show = (value: number): string => formatFigure(figure, value);
  const [layer, rate, epochs] = describeTail(tuned.tail);
  return (
    `Does unfreezing pay? ${best.tail ? 'Yes' : 'Not here'}: after ${layer}, at ${rate} for ${epochs} epochs, it brings ${show(tuned.mean)} against ` +
    `${show(headAlone.mean)} of the head alone, ${describeGain(gain.mean, figure)} ± ${show(gain.std)} over the folds, better in ${better} of ${folds}.`
  );
}

const describeGain = (gain: number, figure: TuneReport['figure']): string =>
  `${gain < 0 ? '-' : '+'}${formatFigure(figure, Math.abs(gain)).replace(' %', ' points')}`;

function describeLearning(
  { sizes, twice, verdict, svg }: NonNullable<TuneReport['learningCurve']>,
  figure: TuneReport['figure'],
): string {
  const show = (value: number): string => formatFigure(figure, value);
  const rows = sizes.map(({ examples, mean, std, train }) => [
    String(examples),
    show(mean),
    `± ${show(std)}`,
    show(train),
  ]);
  return [
    formatTable([['examples', figure, 'over folds', 'on training'], ...rows]),
    `Would more data help? ${verdict}: ${twice.examples} examples would bring about ${show(twice.mean)} (a power law through these sizes).`,
    svg,
  ].join('\n');
}

function describeRates({
  solver,
  suggestion,
  steepest,
  tenthOfLowest,
  svg,
}: NonNullable<TuneReport['lrFind']>): string {
  return (
    `Learning rate for ${solver}: ${suggestion} (the loss falls steepest at ${steepest.toPrecision(2)}, ` +
    `a tenth of the rate with the lowest loss is ${tenthOfLowest.toPrecision(2)})\n${svg}`
  );
}

/** The best of each layer, and why the one was taken. */
function describeLayers({ layers, candidates, best, figure }: TuneReport): string {
  const rows = layers.map(({ layer, pool, dim, reason }) => {
    const top = candidates
      .filter((each) => each.layer === layer && !hasFailed(each))
      .sort((a, b) => b.mean - a.mean)[0];
    return [
      layer === best.layer ? '*' : '',
      layer,
      `${dim} by ${pool}`,
      top ? `${formatFigure(figure, top.mean)} ± ${formatFigure(figure, top.std)}` : '-',
      top ? `l2 ${top.l2}` : '',
      reason,
    ];
  });
  return formatTable([['', 'layer', 'features', `best ${figure}`, 'with', 'what it is'], ...rows]);
}

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
