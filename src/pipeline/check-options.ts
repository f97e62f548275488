/**
 * Options of the functions, held to what the flags of the command are. TypeScript sees no ranges, and from a request, a file or plain
 * JavaScript anything may come: a solver that is none would be another one, without a word.
 */
import { invalidArgument } from '../errors.js';
import { activations, headKinds } from '../heads/head.js';
import { modelPrecisions } from '../models/model-precision.js';
import { scheduleKinds } from '../optim/schedules.js';
import { devices } from '../runtime/session.js';
import { taskKinds } from '../tasks/task-of.js';

const choices: Readonly<Record<string, readonly string[]>> = {
  device: devices,
  pool: ['avg', 'max', 'cls', 'last', 'mean', 'none'],
  dtype: ['float32', 'float16'],
  onError: ['skip', 'fail'],
  duplicates: ['warn', 'remove', 'keep'],
  task: taskKinds,
  head: headKinds,
  activation: activations,
  solver: ['lbfgs', 'adamw', 'sgd'],
  schedule: scheduleKinds,
  classWeights: ['none', 'balanced'],
  precision: modelPrecisions,
};

type Range = readonly [expected: string, accepts: (value: number) => boolean];
const counted: Range = ['a whole number above 0', (value) => Number.isSafeInteger(value) && value > 0];
const whole: Range = ['a whole number', Number.isSafeInteger];
const positive: Range = ['a number above 0', (value) => Number.isFinite(value) && value > 0];
const nonNegative: Range = ['a number of 0 or more', (value) => Number.isFinite(value) && value >= 0];
const share: Range = ['a share from 0 to below 1', (value) => value >= 0 && value < 1];

const ranges: Readonly<Record<string, Range>> = {
  ...{ threads: counted, batch: counted, backboneBatch: counted, maxLength: counted, top: counted },
  ...{ epochs: counted, patience: counted, knn: counted, views: counted, gradual: counted },
  ...{ seed: whole, viewSeed: whole },
  ...{ lr: positive, tailLr: positive, layerDecay: positive, scale: positive, clipNorm: positive },
  ...{ focal: positive, huber: positive, tolerance: positive },
  ...{ l2: nonNegative, weightDecay: nonNegative, mixup: nonNegative, checkpointSeconds: nonNegative },
  ...{ validation: share, dropout: share, momentum: share, labelSmoothing: share, warmUp: share, ema: share },
  folds: ['a whole number of 2 or more', (value) => Number.isSafeInteger(value) && value > 1],
};

/** Lists in a search, which reads them itself; caching has no use for them. */
export const searchedOptions = ['l2', 'lr', 'weightDecay', 'dropout', 'head', 'solver'];

/**
 * @param needed - names of those that are paths or names, and without which nothing can be done
 * @param unread - names of those that are not looked at
 * @throws GraftError INVALID_ARGUMENT
 */
export function checkOptions(
  options: object,
  needed: readonly string[],
  unread: readonly string[] = [],
): void {
  if (typeof options !== 'object' || options === null)
    throw invalidArgument('options', `an object with ${needed.join(', ')}`, options);
  const given = options as Readonly<Record<string, unknown>>;
  for (const name of needed) {
    if (typeof given[name] !== 'string' || given[name] === '')
      throw invalidArgument(name, 'a text (a path or a name)', given[name]);
  }
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined || unread.includes(name)) continue;
    const words = Object.hasOwn(choices, name) ? choices[name] : undefined;
    if (words && !words.some((word) => word === value)) throw invalidArgument(name, words.join(', '), value);
    const range = Object.hasOwn(ranges, name) ? ranges[name] : undefined;
    if (range && !(typeof value === 'number' && range[1](value)))
      throw invalidArgument(name, range[0], value);
  }
}

/** What a run is made of: features from a file, or a backbone and data. */
export function checkRunOptions(options: object, unread?: readonly string[]): void {
  const isOfFile = typeof options === 'object' && options !== null && 'features' in options;
  checkOptions(options, isOfFile ? ['features', 'out'] : ['backbone', 'data', 'out'], unread);
}
