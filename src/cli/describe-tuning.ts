/** What a search found, as text: its candidates in a table, why one was taken, and what its further questions say. */
import { describeTail, hasFailed, tabulateSearch } from '../pipeline/tabulate-search.js';
import type { TuneReport } from '../pipeline/tuning-run.js';
import { formatFigure } from '../tasks/describe-score.js';
import { describeTraining } from './describe-training.js';
import { formatSeconds, formatTable } from './format-text.js';

export function describeTuning(report: TuneReport): string {
  const { candidates, figure, seconds, layers } = report;
  const { header, rows, left, why } = tabulateSearch(report);
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

function describeUnfreezing(
  { headAlone, tuned, gain, better }: NonNullable<TuneReport['unfreezing']>,
  { best, figure, folds }: TuneReport,
): string {
  const show = (value: number): string => formatFigure(figure, value);
  const [layer, rate, epochs] = describeTail(tuned.tail);
  return (
    `Does unfreezing pay? ${best.tail ? 'Yes' : 'Not here'}: after ${layer}, at ${rate} for ${epochs} ${epochs === '1' ? 'epoch' : 'epochs'}, it brings ${show(tuned.mean)} against ` +
    `${show(headAlone.mean)} of the head alone, ${describeGain(gain, figure)} over the folds, better in ${better} of ${folds}.`
  );
}

/** Of shares in points: a percent would be one of the share itself. @example '+1.0 ± 1.4 points' */
export function describeGain(
  { mean, std }: NonNullable<TuneReport['unfreezing']>['gain'],
  figure: TuneReport['figure'],
): string {
  const [size, deviation] = [Math.abs(mean), std].map((value) => formatFigure(figure, value));
  const isShare = size!.endsWith(' %');
  return `${mean < 0 ? '-' : '+'}${size!.replace(' %', '')} ± ${deviation!.replace(' %', '')}${isShare ? ' points' : ''}`;
}

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
    formatTable([['examples', figure, 'std', 'train'], ...rows]),
    `${verdict[0]!.toUpperCase()}${verdict.slice(1)}: ${twice.examples} examples would give about ${show(twice.mean)} (a power law through these sizes).`,
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
