/** Options of training that do not go together, refused before any work is done. */
import { GraftError } from '../errors.js';
import type { FeatureTrainOptions, FitOptions, TrainOptions } from './training-run.js';

/** @throws GraftError USAGE for what has no meaning with --unfreeze. */
export function refuseHeadOptions({ mixup, dropout, knn, tolerance }: Partial<TrainOptions>): void {
  const flag = mixup ? 'mixup' : dropout ? 'dropout' : knn ? 'knn' : tolerance ? 'tolerance' : undefined;
  if (flag === undefined) return;
  throw new GraftError('USAGE', `--${flag} is not for training with --unfreeze; leave it away.`);
}

/** @throws GraftError USAGE for what has a meaning with --unfreeze alone. */
export function refuseTailOptions({ tailLr, layerDecay, gradual }: TrainOptions): void {
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
export function assertStreamable({ stream, knn }: Pick<FitOptions, 'stream' | 'knn'>): void {
  if (!stream || knn === undefined) return;
  throw new GraftError(
    'USAGE',
    '--knn compares with all training features at once, which --stream leaves on disk; leave one of them out.',
  );
}

/** @throws GraftError USAGE for folds of unfrozen layers, which are judged in a search. */
export function assertFoldable(options: TrainOptions | FeatureTrainOptions): void {
  const { folds, unfreeze } = options as Partial<TrainOptions>;
  if (folds === undefined || unfreeze === undefined) return;
  throw new GraftError(
    'USAGE',
    `--folds judges a head alone and does not go with --unfreeze; graft tune --unfreeze ${unfreeze} --folds ${folds} ` +
      'cross-validates the layers too.',
  );
}
