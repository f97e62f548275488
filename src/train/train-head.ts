/** Trains a head on features: to the optimum (L-BFGS) or by epochs (AdamW, SGD). */
import { GraftError, invalidArgument } from '../errors.js';
import { type HeadSpec, headKind, type TrainedHead } from '../heads/head.js';
import { type Logger, silentLogger } from '../logger.js';
import { classificationMetrics } from '../metrics/classification.js';
import { createRng } from '../rng.js';
import { float32, type Tensor } from '../tensor/tensor.js';
import type { FeatureSet } from './feature-set.js';
import { fitByEpochs } from './fit-by-epochs.js';
import { fitToOptimum } from './fit-to-optimum.js';
import { softmaxRows } from './softmax-rows.js';
import { fitStandardization, standardize } from './standardize.js';
import { openTrainingStep, type TrainingStep } from './training-step.js';

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
  readonly step: TrainingStep;
  readonly train: FeatureSet;
  /** One-hot [rows, classes]. */
  readonly targets: Float32Array;
  readonly parameters: ReadonlyMap<string, Tensor>;
  readonly penalized: readonly string[];
  readonly options: Required<Omit<TrainOptions, 'lr' | 'epochs' | 'threads' | 'signal'>> &
    Pick<TrainOptions, 'lr' | 'epochs'>;
  /** Records an epoch with these weights; the validation loss, where there is one. Throws when interrupted. */
  record(epoch: number, objective: number, parameters: ReadonlyMap<string, Tensor>): Promise<EpochRecord>;
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
    seed: 1,
    patience: 10,
    logger: silentLogger,
    onEpoch: () => {},
    ...given,
  };
  const shape = { dim: train.dim, classCount: train.classes.length };
  const kind = headKind(settings.head);
  const scaling = settings.standardize ? fitStandardization(train) : undefined;
  const trainSet = scaling ? standardize(train, scaling) : train;
  const validationSet = validation && scaling ? standardize(validation, scaling) : validation;
  const step = await openTrainingStep(settings.head, shape, threads);
  try {
    const history: EpochRecord[] = [];
    const record: Fit['record'] = async (epoch, objective, parameters) => {
      if (signal?.aborted)
        throw new GraftError('INTERRUPTED', `Training was stopped at epoch ${epoch}; no head was written.`);
      if (!Number.isFinite(objective)) {
        throw new GraftError(
          'TRAINING_FAILED',
          `The loss became infinite at epoch ${epoch}; lower the learning rate with --lr.`,
        );
      }
      const entry: EpochRecord = {
        epoch,
        objective,
        train: await score(step, trainSet, parameters),
        ...(validationSet && { validation: await score(step, validationSet, parameters) }),
      };
      history.push(entry);
      settings.onEpoch(entry);
      return entry;
    };
    const started = performance.now();
    const solve = settings.solver === 'lbfgs' ? fitToOptimum : fitByEpochs;
    const fitted = await solve({
      step,
      train: trainSet,
      targets: oneHot(train),
      parameters: initialParameters(kind.parameters(shape), settings.seed),
      penalized: kind.penalized,
      options: settings,
      record,
    });
    const seconds = (performance.now() - started) / 1000;
    const trainScore = await score(step, trainSet, fitted.parameters);
    const validationScore = validationSet && (await score(step, validationSet, fitted.parameters));
    warnOfOverfitting(trainScore, validationScore, settings.logger);
    return {
      head: {
        spec: settings.head,
        dim: train.dim,
        classes: train.classes,
        parameters: scaling ? kind.fold(fitted.parameters, scaling) : fitted.parameters,
      },
      objective: fitted.objective,
      train: { accuracy: trainScore.accuracy, loss: trainScore.loss },
      ...(validationScore && { validation: validationScore }),
      seconds,
      stoppedAt: fitted.stoppedAt,
      history,
    };
  } finally {
    await step.release();
  }
}

async function score(step: TrainingStep, set: FeatureSet, parameters: ReadonlyMap<string, Tensor>) {
  const logits = await step.logits(set.features, parameters);
  const { accuracy, loss, macroF1 } = classificationMetrics(
    softmaxRows(logits, set.classes.length),
    set.labels,
    set.classes.length,
  );
  return { accuracy, loss, macroF1 };
}

function oneHot({ labels, rows, classes }: FeatureSet): Float32Array {
  const targets = new Float32Array(rows * classes.length);
  for (let row = 0; row < rows; row++) targets[row * classes.length + labels[row]!] = 1;
  return targets;
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
