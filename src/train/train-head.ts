/** Trains a head on features: to the optimum (L-BFGS) or by epochs (AdamW, SGD). */
import { GraftError, invalidArgument } from '../errors.js';
import {
  type HeadKind,
  type HeadShape,
  type HeadSpec,
  headKind,
  type Standardization,
  type TrainedHead,
} from '../heads/head.js';
import { type Logger, silentLogger } from '../logger.js';
import { basicMetrics } from '../metrics/classification.js';
import { createRng } from '../rng.js';
import { float32, type Tensor } from '../tensor/tensor.js';
import type { FeatureSet } from './feature-set.js';
import { fitByEpochs } from './fit-by-epochs.js';
import { fitToOptimum } from './fit-to-optimum.js';
import { openHeadScorer } from './head-scorer.js';
import { softmaxRows } from './softmax-rows.js';
import { fitStandardization, standardize } from './standardize.js';

export type Solver = 'lbfgs' | 'adamw' | 'sgd';

export interface TrainOptions {
  readonly head?: HeadSpec;
  readonly solver?: Solver;
  /** λ of: sum of the example losses + λ/2 · ‖W‖², bias free. */
  readonly l2?: number;
  /** Learning rate of adamw (1e-3) and sgd (1e-2), for the mean loss of a batch. */
  readonly lr?: number;
  /** Most epochs (100), or iterations of L-BFGS (1000). */
  readonly epochs?: number;
  /** Examples a step of adamw and sgd. */
  readonly batch?: number;
  readonly standardize?: boolean;
  /** `balanced`: the examples of a class weigh rows / (classes · its rows), as in scikit-learn. */
  readonly classWeights?: 'none' | 'balanced';
  /** Share ε of a target that is spread over all classes. */
  readonly labelSmoothing?: number;
  readonly seed?: number;
  /** Epochs without a better validation loss before adamw and sgd stop. */
  readonly patience?: number;
  readonly threads?: number;
  readonly signal?: AbortSignal;
  readonly logger?: Logger;
  readonly onEpoch?: (record: EpochRecord) => void;
}

export interface Score {
  readonly accuracy: number;
  /** Mean cross-entropy. */
  readonly loss: number;
}

export interface EpochRecord {
  readonly epoch: number;
  readonly objective: number;
  readonly train: Score;
  readonly validation?: Score;
}

export interface TrainResult {
  readonly head: TrainedHead;
  readonly objective: number;
  readonly train: Score;
  readonly validation?: Score & { readonly macroF1: number };
  /** The fit alone. */
  readonly seconds: number;
  /** Epoch or iteration whose weights were kept. */
  readonly stoppedAt: number;
  readonly history: readonly EpochRecord[];
}

/** What a solver is given. */
export interface Fit {
  readonly kind: HeadKind;
  readonly shape: HeadShape;
  readonly train: FeatureSet;
  readonly parameters: ReadonlyMap<string, Tensor>;
  readonly options: Required<Omit<TrainOptions, 'lr' | 'epochs' | 'threads' | 'signal'>> &
    Pick<TrainOptions, 'lr' | 'epochs'>;
  /** Given where `train` was standardised for the solver's sake alone: the penalty is on raw features. */
  readonly rawPenalty?: Standardization | undefined;
  /** Row c is the distribution that label c stands for, [classes, classes]; absent for one-hot targets. */
  readonly softTargets?: Float32Array | undefined;
  /** [classes] */
  readonly classWeights?: Float32Array | undefined;
  readonly threads?: number | undefined;
  /** Throws where training was interrupted or its objective is no number. */
  check(epoch: number, objective: number): void;
  score(set: FeatureSet, parameters: ReadonlyMap<string, Tensor>): Promise<Score>;
  /** Records an epoch with these weights; the training score is computed where it is not given. */
  record(
    epoch: number,
    objective: number,
    parameters: ReadonlyMap<string, Tensor>,
    trainScore?: Score,
  ): Promise<EpochRecord>;
}

export interface Fitted {
  readonly parameters: ReadonlyMap<string, Tensor>;
  readonly objective: number;
  readonly stoppedAt: number;
}

/**
 * @throws GraftError INVALID_ARGUMENT for features that are not finite or sets that do not go together,
 *   TRAINING_FAILED where the loss becomes infinite, INTERRUPTED.
 */
export async function trainHead(
  train: FeatureSet,
  validation: FeatureSet | undefined,
  options: TrainOptions = {},
): Promise<TrainResult> {
  assertUsable(train, validation);
  const { threads, signal, ...given } = options;
  const settings: Fit['options'] = {
    head: { kind: 'linear' },
    solver: 'lbfgs',
    l2: 1,
    batch: 256,
    standardize: true,
    classWeights: 'none',
    labelSmoothing: 0,
    seed: 1,
    patience: 10,
    logger: silentLogger,
    onEpoch: () => {},
    ...given,
  };
  const shape = { dim: train.dim, classCount: train.classes.length };
  const kind = headKind(settings.head);
  // L-BFGS on a convex head works on standardised features even where the penalty is on raw ones.
  const isPenaltyRaw = !settings.standardize && settings.solver === 'lbfgs' && kind.isConvex;
  const scaling = settings.standardize || isPenaltyRaw ? fitStandardization(train) : undefined;
  const trainSet = scaling ? standardize(train, scaling) : train;
  const validationSet = validation && scaling ? standardize(validation, scaling) : validation;
  const scorer = await openHeadScorer(settings.head, shape, threads);
  const score = async (set: FeatureSet, parameters: ReadonlyMap<string, Tensor>) => {
    const probabilities = softmaxRows(await scorer.logits(set.features, parameters), shape.classCount);
    const { accuracy, loss, macroF1 } = basicMetrics(probabilities, set.labels, shape.classCount);
    return { accuracy, loss, macroF1 };
  };
  try {
    const history: EpochRecord[] = [];
    const check: Fit['check'] = (epoch, objective) => {
      if (signal?.aborted)
        throw new GraftError('INTERRUPTED', `Training was stopped at epoch ${epoch}; no head was written.`);
      if (Number.isFinite(objective)) return;
      throw new GraftError(
        'TRAINING_FAILED',
        `The loss became infinite at epoch ${epoch}; lower the learning rate with --lr.`,
      );
    };
    const record: Fit['record'] = async (epoch, objective, parameters, trainScore) => {
      const { accuracy, loss } = trainScore ?? (await score(trainSet, parameters));
      const held = validationSet && (await score(validationSet, parameters));
      const entry: EpochRecord = {
        epoch,
        objective,
        train: { accuracy, loss },
        ...(held && { validation: { accuracy: held.accuracy, loss: held.loss } }),
      };
      history.push(entry);
      settings.onEpoch(entry);
      return entry;
    };
    const started = performance.now();
    const solve = settings.solver === 'lbfgs' ? fitToOptimum : fitByEpochs;
    const fitted = await solve({
      kind,
      shape,
      train: trainSet,
      parameters: initialParameters(kind.parameters(shape), settings.seed),
      options: settings,
      rawPenalty: isPenaltyRaw ? scaling : undefined,
      softTargets:
        settings.labelSmoothing > 0 ? smoothTargets(shape.classCount, settings.labelSmoothing) : undefined,
      classWeights: settings.classWeights === 'balanced' ? balanceClasses(train) : undefined,
      threads,
      check,
      score,
      record,
    });
    const seconds = (performance.now() - started) / 1000;
    const trainScore = await score(trainSet, fitted.parameters);
    const validationScore = validationSet && (await score(validationSet, fitted.parameters));
    warnOfOverfitting(trainScore, validationScore, settings.logger);
    return {
      head: {
        spec: settings.head,
        dim: train.dim,
        classes: train.classes,
        parameters: kind.finish(fitted.parameters, scaling),
      },
      objective: fitted.objective,
      train: { accuracy: trainScore.accuracy, loss: trainScore.loss },
      ...(validationScore && { validation: validationScore }),
      seconds,
      stoppedAt: fitted.stoppedAt,
      history,
    };
  } finally {
    await scorer.release();
  }
}

/** Rows of (1 - ε) · one-hot + ε / classes. */
function smoothTargets(classCount: number, smoothing: number): Float32Array {
  return Float32Array.from(
    { length: classCount ** 2 },
    (_, i) => (i % (classCount + 1) === 0 ? 1 - smoothing : 0) + smoothing / classCount,
  );
}

function balanceClasses({ labels, rows, classes }: FeatureSet): Float32Array {
  const counts = new Float64Array(classes.length);
  for (const label of labels) counts[label]!++;
  return Float32Array.from(counts, (count) => (count > 0 ? rows / (classes.length * count) : 0));
}

/** A single matrix may start at zero, where the softmax is symmetric in nothing but the classes. */
function initialParameters(
  shapes: ReadonlyMap<string, readonly number[]>,
  seed: number,
): Map<string, Tensor> {
  const isLinear = [...shapes.values()].filter(({ length }) => length === 2).length === 1;
  const rng = createRng(seed);
  return new Map(
    [...shapes].map(([name, dims]) => {
      const size = dims.reduce((product, dim) => product * dim, 1);
      const scale = isLinear || dims.length < 2 ? 0 : Math.sqrt(2 / dims[0]!);
      return [
        name,
        float32(
          dims,
          Float32Array.from({ length: size }, () => (scale === 0 ? 0 : scale * rng.normal())),
        ),
      ];
    }),
  );
}

function assertUsable(train: FeatureSet, validation: FeatureSet | undefined): void {
  if (train.classes.length < 2) throw invalidArgument('classes', 'two classes or more', train.classes.length);
  if (train.rows === 0) throw invalidArgument('rows', 'at least one example to train on', 0);
  for (const set of validation ? [train, validation] : [train]) {
    if (set.dim !== train.dim) throw invalidArgument('dim', `${train.dim} features as in training`, set.dim);
    const bad = set.features.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0) {
      throw invalidArgument(
        'features',
        `finite numbers (row ${Math.floor(bad / set.dim)})`,
        set.features[bad],
      );
    }
  }
}

function warnOfOverfitting(train: Score, validation: Score | undefined, logger: Logger): void {
  if (!validation) return;
  const gap = train.accuracy - validation.accuracy;
  if (gap < 0.1) return;
  logger.warn(
    `Overfitting: ${(100 * train.accuracy).toFixed(1)} % on the training part but ${(100 * validation.accuracy).toFixed(1)} % ` +
      'on the validation part. Try a larger --l2, more images, or another --layer.',
  );
}
