/** Which of the options that were given the way of training takes no notice of, where they do no harm. */
import { listNames } from '../errors.js';
import type { Logger } from '../logger.js';
import type { TrainOptions as HeadTrainOptions } from '../train/train-options.js';
import type { FitOptions } from './training-run.js';

type Named = Readonly<Record<string, string | number | boolean | undefined>>;

/** Of a fit: whether it has a validation part. */
interface Fit {
  readonly isValidated: boolean;
}

/** Why training ends after its epochs where nothing is held out. */
const unwatched = 'there is no validation part, whose figures it watches; hold one out with --validation 0.2';

export function sayUnused(
  options: FitOptions,
  { head, solver }: HeadTrainOptions,
  { isValidated }: Fit,
  logger: Logger,
): void {
  if (head?.kind === 'prototype') {
    const { solver: named, epochs, batch, patience } = options;
    say(
      { solver: named, epochs, batch, patience },
      'a prototype head is computed, each class is its mean',
      logger,
    );
  } else if (solver === 'lbfgs') {
    const { batch, patience } = options;
    const more = batch === undefined ? '' : '; examples a run of the backbone are --backbone-batch';
    say({ batch, patience }, `L-BFGS sees all examples at once and stops at the optimum${more}`, logger);
  } else if (options.stopsEarly === false) {
    say({ patience: options.patience }, 'the head is trained for the epochs that the folds chose', logger);
  } else if (!isValidated) say({ patience: options.patience }, unwatched, logger);
}

/** With --unfreeze. */
export function sayUnusedByLayers(
  { solver, schedule, momentum, nesterov, patience, stopsEarly }: FitOptions,
  { isValidated }: Fit,
  logger: Logger,
): void {
  if (stopsEarly === false)
    say({ patience }, 'layers and head are trained for the epochs that the folds judged', logger);
  else if (!isValidated) say({ patience }, unwatched, logger);
  const other = solver === 'adamw' ? undefined : solver;
  say(
    { solver: other, schedule, momentum, nesterov },
    'layers and head are trained by AdamW, its rate rising and then falling in a cosine',
    logger,
  );
}

function say(given: Named, why: string, logger: Logger): void {
  const flags = Object.entries(given).flatMap(([name, value]) => {
    if (value === undefined) return [];
    if (typeof value === 'boolean') return [value ? `--${name}` : `--no-${name}`];
    return [`--${name} ${value}`];
  });
  if (flags.length === 0) return;
  logger.warn(`${listNames(flags)} ${flags.length === 1 ? 'is' : 'are'} not used: ${why}.`);
}
