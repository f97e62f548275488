import type { Options } from 'yargs';
import type { SearchOptions, TuneOptions, TuneReport } from '../../pipeline/tuning-run.js';
import { formatFigure } from '../../tasks/describe-score.js';
import { defineCommand } from '../define-command.js';
import { formatSeconds, formatTable } from '../format-text.js';
import { goesOn } from '../output.js';
import type { ReportedCandidate } from '../../train/candidate.js';
import { foldCount, positiveInteger, share } from '../numeric-options.js';
import { describeTraining, trainFlags, trainOptions } from './train.js';

/** Flags of the search itself. */
export const searchFlags = {
  folds: { ...foldCount('folds'), default: 5, describe: 'Folds of the training part' },
  l2: {
    type: 'string',
    requiresArg: true,
    default: 'auto',
    describe: 'Penalties lambda to try: a list, or auto (12)',
  },
  lr: { type: 'string', requiresArg: true, describe: 'Learning rates to try with adamw and sgd: a list' },
  'weight-decay': {
    type: 'string',
    requiresArg: true,
    describe: 'Weight decays to try with adamw and sgd in place of --l2: a list',
  },
  dropout: {
    type: 'string',
    requiresArg: true,
    describe: 'mlp: shares of hidden values to drop in training: a list [default: 0]',
  },
  seeds: {
    type: 'string',
    requiresArg: true,
    describe: 'Seeds of the training to try with adamw and sgd: a list [default: --seed]',
  },
  head: { type: 'string', requiresArg: true, describe: 'The one head to try' },
  solver: { type: 'string', requiresArg: true, describe: 'The one solver to try' },
  heads: {
    type: 'string',
    requiresArg: true,
    describe: 'Heads to try: linear, mlp, cosine, prototype [default: linear]',
  },
  solvers: {
    type: 'string',
    requiresArg: true,
    describe: 'Solvers to try: lbfgs, adamw, sgd [default: what suits the head]',
  },
  layers: {
    type: 'string',
    requiresArg: true,
    describe: 'Feature layers to compare: auto, or names with commas between',
  },
  select: {
    choices: ['one-se', 'best'],
    default: 'one-se',
    describe: 'Keep the simplest within one standard error of the best, or the best',
  },
  budget: { ...positiveInteger('budget'), describe: 'Most candidates; a seeded choice where there are more' },
  'learning-curve': {
    type: 'boolean',
    default: false,
    describe: 'Measure the best on parts of the data: would more help?',
  },
  unfreeze: {
    type: 'string',
    requiresArg: true,
    describe: 'Also judge training everything after these layers: names with commas between',
  },
  'tail-lrs': {
    type: 'string',
    requiresArg: true,
    describe: 'With --unfreeze: rates of the layers to try, a list [default: 0.1 of those of the head]',
  },
  'tail-epochs': {
    type: 'string',
    requiresArg: true,
    describe: 'With --unfreeze: numbers of epochs to try, a list [default: 8]',
  },
  'lr-find': {
    type: 'boolean',
    default: false,
    describe: 'Try learning rates on the best head (range test), with a plot',
  },
  validation: {
    ...share('validation'),
    default: 0,
    describe: 'Share that neither the folds nor the training see, for a last judgement',
  },
} as const satisfies Record<string, Options>;

export const tuneCommand = defineCommand({
  command: 'tune',
  farewell: goesOn,
  describe: 'Search head, penalty, rate and layer by cross-validation, then train the best',
  options: { ...trainFlags, ...searchFlags },
  example: [
    'tune --backbone model.onnx --data photos --out runs/a --layers auto',
    'the best layer and penalty',
  ],
  async run(args, output) {
    const { tuneRun } = await import('../../pipeline/tune-run.js');
    const onProgress = await output.progress('features', 'examples');
    const onCandidate = await output.progress('candidates', 'candidates');
    const { report, cache } = await tuneRun(await tuneOptions(args), { ...output, onProgress, onCandidate });
    output.result({ ...report, ...(cache && { cache }) }, describeTuning(report));
  },
});

/** @throws GraftError USAGE where it is not said what is searched on. */
export async function tuneOptions(
  args: SearchOptions &
    Omit<Parameters<typeof trainOptions>[0], 'l2' | 'lr' | 'head' | 'solver' | 'weightDecay' | 'dropout'>,
): Promise<TuneOptions> {
  const { l2, lr, head, solver, heads, solvers, weightDecay, dropout, seeds, ...rest } = args;
  const found = await trainOptions({ ...rest, resume: undefined });
  return { ...found, l2, lr, head, solver, heads, solvers, weightDecay, dropout, seeds };
}

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
  const shown = candidates.toSorted((a, b) => b.mean - a.mean).slice(0, mostLines);
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
    show(candidate.mean),
    `± ${show(candidate.std)}`,
    candidate.loss.toFixed(4),
    show(candidate.train),
    candidate.droppedAt === undefined ? '' : `dropped after ${candidate.droppedAt} epochs`,
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
    const top = candidates.filter((each) => each.layer === layer).sort((a, b) => b.mean - a.mean)[0];
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
