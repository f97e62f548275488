import type { Pool } from '../graph/pool-features.js';
import type { Judged, LayerCandidate } from '../train/candidate.js';
import type { FeatureTrainOptions, TrainOptions } from './training-run.js';
import type { TuneOptions } from './tuning-run.js';

/** The options of `graft train` that train a candidate. */
export function trainingOf(
  { candidate, epochs }: Pick<Judged<LayerCandidate>, 'candidate' | 'epochs'>,
  options: TuneOptions,
  validation: number | undefined,
): TrainOptions | FeatureTrainOptions {
  const { layer, pool, head, solver, l2, lr, weightDecay, seed, tail } = candidate;
  const isExact = solver === 'lbfgs' || solver === 'none';
  const own = {
    validation,
    // It has been cross-validated.
    folds: undefined,
    head: head.kind,
    // What is for another kind of head was searched with, but would be refused here.
    ...(head.kind !== 'mlp' && { hidden: undefined, activation: undefined }),
    dropout: head.kind === 'mlp' ? head.dropout : undefined,
    ...(head.kind !== 'cosine' && { scale: undefined }),
    ...(head.kind === 'prototype' && {
      classWeights: undefined,
      labelSmoothing: undefined,
      focal: undefined,
    }),
    ...(isExact && {
      mixup: undefined,
      ema: undefined,
      schedule: undefined,
      warmUp: undefined,
      clipNorm: undefined,
    }),
    ...(solver !== 'lbfgs' && { tolerance: undefined }),
    ...(solver !== 'sgd' && { momentum: undefined, nesterov: undefined }),
    l2,
    lr,
    weightDecay,
    // Not --seed, which decides what is held out, too.
    trainingSeed: seed,
    solver: solver === 'none' ? undefined : solver,
    // What bounds epochs is no bound for L-BFGS, which goes to the optimum.
    epochs: isExact ? undefined : (epochs ?? options.epochs),
    // The epochs are those that were judged, and the validation part is there to judge the head.
    ...(!isExact && { stopsEarly: false }),
    // Of a search, whose fits are short, the last one begins again.
    resume: false,
    ...(tail
      ? {
          ...{
            unfreeze: tail.unfreeze,
            tailLr: tail.lr,
            headStart: tail.start,
            solver: undefined,
            tolerance: undefined,
          },
          ...{ schedule: undefined, momentum: undefined, nesterov: undefined },
        }
      : { unfreeze: undefined, tailLr: undefined, layerDecay: undefined, gradual: undefined }),
  };
  if ('features' in options) return { ...options, ...own };
  return { ...options, ...own, layer, pool: pool as Pool };
}
