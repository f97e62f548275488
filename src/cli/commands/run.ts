import type { Options } from 'yargs';
import { GraftError } from '../../errors.js';
import { defineCommand } from '../define-command.js';
import { goesOn } from '../output.js';
import { nonNegative, positive, share } from '../numeric-options.js';
import { describeExport } from './export.js';
import { trainFlags, trainOptions } from './train.js';
import { searchFlags, tuneOptions } from './tune.js';

/** Without defaults: what a flag that is not given stands for depends on --tune, and the pipeline knows. */
const options = {
  ...trainFlags,
  ...searchFlags,
  tune: { type: 'boolean', default: false, describe: 'Search first, as graft tune does and with its flags' },
  head: { ...searchFlags.head, describe: 'Kind of head [default: linear]' },
  solver: { ...searchFlags.solver, describe: 'lbfgs, adamw or sgd [default: what suits the head]' },
  l2: {
    type: 'string',
    requiresArg: true,
    describe: 'L2 penalty lambda [default: 1]; with --tune a list or auto',
  },
  lr: { type: 'string', requiresArg: true, describe: 'Learning rate of adamw and sgd; with --tune a list' },
  'weight-decay': {
    type: 'string',
    requiresArg: true,
    describe: 'Of the weights (adamw, sgd; unfrozen layers) [default: from --l2]; with --tune a list',
  },
  dropout: {
    type: 'string',
    requiresArg: true,
    describe: 'mlp: share of hidden values dropped in training [default: 0]; with --tune a list',
  },
  epochs: {
    ...trainFlags.epochs,
    describe: `${trainFlags.epochs.describe}; with --tune 30 of adamw and sgd`,
  },
  folds: {
    ...trainFlags.folds,
    describe:
      'Also cross-validate on K folds of the training part; with --tune search on them [default: 5, or as many as the smallest class has]',
  },
  unfreeze: {
    ...trainFlags.unfreeze,
    describe: `${trainFlags.unfreeze.describe}; with --tune several, separated by commas`,
  },
  select: {
    choices: searchFlags.select.choices,
    describe: 'With --tune: simplest within one standard error (default), or best',
  },
  resume: {
    ...trainFlags.resume,
    describe: `${trainFlags.resume.describe}; with --tune the search`,
  },
  'learning-curve': { type: 'boolean', describe: searchFlags['learning-curve'].describe },
  'lr-find': { type: 'boolean', describe: searchFlags['lr-find'].describe },
  validation: {
    ...trainFlags.validation,
    describe: 'Share held out if the data have no validation part [default: 0.2; with --tune 0, folds judge]',
  },
} as const satisfies Record<string, Options>;

const ofSearch = [
  'heads',
  'seeds',
  'solvers',
  'layers',
  'select',
  'budget',
  'learning-curve',
  'lr-find',
  'tail-lrs',
  'tail-epochs',
] as const;

export const runCommand = defineCommand({
  command: 'run',
  isGrouped: true,
  farewell: goesOn,
  describe: 'Everything: cache, train (or --tune), export, verify, report',
  options,
  example: ['run --backbone model.onnx --data photos --out runs/a', 'photos in, runs/a/model.onnx out'],
  async run(args, output, isGiven) {
    const { runAll, tuneAndExport } = await import('../../pipeline/run-all.js');
    const onProgress = await output.progress('features', 'examples');
    if (args.tune) {
      const onCandidate = await output.progress('candidates', 'candidates');
      const report = await tuneAndExport(await tuneOptions(args, isGiven), {
        ...output,
        onProgress,
        onCandidate,
      });
      const { describeTuning } = await import('../describe-tuning.js');
      output.result(report, `${describeTuning(report.tune)}\n${describeExport(report)}\n${report.report}`);
      return;
    }
    const stray = ofSearch.find((name) => args[name] !== undefined);
    if (stray) throw new GraftError('USAGE', `--${stray} is for a search; add --tune.`);
    const onFold = await output.progress('cross-validation', 'folds');
    const report = await runAll(await trainOptions(plain(args), isGiven), { ...output, onProgress, onFold });
    const { describeTraining } = await import('../describe-training.js');
    output.result(report, `${describeTraining(report)}\n${describeExport(report)}\n${report.report}`);
  },
});

/** Flags that are lists in a search, as the single values that they are without. */
function plain<T extends Readonly<Record<'l2' | 'lr' | 'head' | 'solver' | 'dropout', string | undefined>>>(
  args: T & { readonly weightDecay?: string | undefined },
) {
  return {
    ...args,
    l2: nonNegative('l2').coerce(args.l2),
    lr: positive('lr').coerce(args.lr),
    weightDecay: nonNegative('weight-decay').coerce(args.weightDecay),
    dropout: share('dropout').coerce(args.dropout),
    head: choice('head', args.head, trainFlags.head.choices),
    solver: choice('solver', args.solver, trainFlags.solver.choices),
  };
}

function choice<T extends string>(
  name: string,
  value: string | undefined,
  choices: readonly T[],
): T | undefined {
  const found = choices.find((each) => each === value);
  if (value === undefined || found !== undefined) return found;
  throw new GraftError('USAGE', `Expected ${choices.join(', ')} for --${name} but received "${value}".`);
}
