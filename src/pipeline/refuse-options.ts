/** Options of training that do not go together, refused before any work is done. */
import { GraftError } from '../errors.js';
import { buildHead } from '../heads/build-head.js';
import type { TaskKind } from '../tasks/task.js';
import { assertCalibratable } from './calibrate-head.js';
import { assertLossSuits, headSpec, headTraining } from './head-options.js';
import { assertTrackable } from './open-trackers.js';
import type { FeatureTrainOptions, FitOptions, TrainOptions } from './training-run.js';

type AnyTrainOptions = TrainOptions | FeatureTrainOptions;

const isUnfrozen = (options: AnyTrainOptions): boolean =>
  !('features' in options) && options.unfreeze !== undefined;

/** @throws GraftError USAGE for what cannot be, whatever the data are. */
export function refuseStray(options: AnyTrainOptions): void {
  assertCalibratable(options);
  assertTrackable(options);
  assertViewable(options);
  assertStreamable(options);
  assertFoldable(options);
  if (!isUnfrozen(options)) refuseTailOptions(options as TrainOptions);
}

/** @throws GraftError USAGE for a head or a way to train it that does not suit the task. */
export function assertHeadSuits(options: AnyTrainOptions, task: TaskKind, outputCount: number): void {
  if (isUnfrozen(options)) {
    refuseHeadOptions(options);
    assertLossSuits(options, task);
  } else headTraining(options, task);
  // The number of features is not known yet; two are enough for any head.
  try {
    buildHead(headSpec(options), { dim: 2, outputCount, task });
  } catch (error) {
    if (!(error instanceof GraftError) || error.code !== 'INVALID_ARGUMENT') throw error;
    throw new GraftError('USAGE', error.message, { cause: error });
  }
}

/** @throws GraftError USAGE for what has no meaning with --unfreeze. */
export function refuseHeadOptions({ mixup, dropout, knn, tolerance }: Partial<TrainOptions>): void {
  const flag = mixup ? 'mixup' : dropout ? 'dropout' : knn ? 'knn' : tolerance ? 'tolerance' : undefined;
  if (flag === undefined) return;
  throw new GraftError('USAGE', `--${flag} is not for training with --unfreeze; leave it away.`);
}

/** @throws GraftError USAGE for what has a meaning with --unfreeze alone. */
function refuseTailOptions({ tailLr, layerDecay, gradual }: TrainOptions): void {
  const given = { 'tail-lr': tailLr, 'layer-decay': layerDecay, gradual };
  const [flag] = Object.entries(given).find(([, value]) => value !== undefined) ?? [];
  if (flag === undefined) return;
  throw new GraftError(
    'USAGE',
    `--${flag} is about the layers that --unfreeze trains; name one with --unfreeze, or leave --${flag} away.`,
  );
}

/** @throws GraftError USAGE where there are no photos to make views of. */
export function assertViewable({
  views,
  unfreeze,
  features,
}: {
  readonly views?: number | undefined;
  readonly unfreeze?: string | undefined;
  readonly features?: string | undefined;
}): void {
  const other = unfreeze !== undefined ? '--unfreeze' : features !== undefined ? '--features' : undefined;
  if (!views || !other) return;
  throw new GraftError(
    'USAGE',
    `--views makes views of photos for a head alone and does not go with ${other}; leave one of them out.`,
  );
}

/** @throws GraftError USAGE for what needs all features in memory. */
function assertStreamable({ stream, knn }: Pick<FitOptions, 'stream' | 'knn'>): void {
  if (!stream || knn === undefined) return;
  throw new GraftError(
    'USAGE',
    '--knn compares with all training features at once, which --stream leaves on disk; leave one of them out.',
  );
}

/** @throws GraftError USAGE for folds of unfrozen layers, which are judged in a search. */
function assertFoldable(options: AnyTrainOptions): void {
  const { folds, unfreeze } = options as Partial<TrainOptions>;
  if (folds === undefined || unfreeze === undefined) return;
  throw new GraftError(
    'USAGE',
    `--folds judges a head alone and does not go with --unfreeze; graft tune --unfreeze ${unfreeze} --folds ${folds} ` +
      'cross-validates the layers too.',
  );
}
