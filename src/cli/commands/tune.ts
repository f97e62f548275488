import type { Options } from 'yargs';
import type { SearchOptions, TuneOptions } from '../../pipeline/tuning-run.js';
import { defineCommand } from '../define-command.js';
import { goesOn } from '../output.js';
import { foldCount, positiveInteger, share } from '../numeric-options.js';
import { trainFlags, trainOptions } from './train.js';

/** Flags of the search itself. */
export const searchFlags = {
  folds: {
    ...foldCount('folds'),
    describe: 'Folds of the training part [default: 5, or as many as the smallest class has]',
  },
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
    describe: 'Feature layers to compare: auto, or names separated by commas',
  },
  select: {
    choices: ['one-se', 'best'],
    default: 'one-se',
    describe: 'Keep the simplest within one standard error of the best, or the best',
  },
  budget: { ...positiveInteger('budget'), describe: 'Maximum number of candidates; a seeded choice of them' },
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
  resume: {
    type: 'boolean',
    describe:
      'Go on with the unfinished search in --out, or fail; --no-resume begins again [default: go on if the settings are the same]',
  },
  epochs: {
    ...positiveInteger('epochs'),
    describe: 'Maximum epochs of adamw and sgd [default: 30]',
  },
  validation: {
    ...share('validation'),
    describe: 'Share that neither the folds nor the training see, for a last judgement [default: 0]',
  },
} as const satisfies Record<string, Options>;

export const tuneCommand = defineCommand({
  command: 'tune',
  isGrouped: true,
  farewell: goesOn,
  describe: 'Search head, penalty, rate and layer by cross-validation, then train the best',
  options: { ...trainFlags, ...searchFlags },
  example: [
    'tune --backbone model.onnx --data photos --out runs/a --layers auto',
    'the best layer and penalty',
  ],
  async run(args, output, isGiven) {
    const { tuneRun } = await import('../../pipeline/tune-run.js');
    const onProgress = await output.progress('features', 'examples');
    const onCandidate = await output.progress('candidates', 'candidates');
    const { report, cache } = await tuneRun(await tuneOptions(args, isGiven), {
      ...output,
      onProgress,
      onCandidate,
    });
    const { describeTuning } = await import('../describe-tuning.js');
    output.result({ ...report, ...(cache && { cache }) }, describeTuning(report));
  },
});

/** @throws GraftError USAGE where it is not said what is searched on. */
export async function tuneOptions(
  args: SearchOptions &
    Omit<Parameters<typeof trainOptions>[0], 'l2' | 'lr' | 'head' | 'solver' | 'weightDecay' | 'dropout'>,
  isGiven: (flag: string) => boolean,
): Promise<TuneOptions> {
  const { l2, lr, head, solver, heads, solvers, weightDecay, dropout, seeds, ...rest } = args;
  const found = await trainOptions({ ...rest, resume: undefined }, isGiven);
  return { ...found, resume: args.resume, l2, lr, head, solver, heads, solvers, weightDecay, dropout, seeds };
}
