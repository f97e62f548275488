/**
 * Fine-tuning: the head and the last layers of the backbone are trained together on cached activations, the earlier
 * layers stay as they are. The head is fitted first and the tail then moves slowly from where pre-training left it
 * (linear probing, then fine-tuning: Kumar et al. 2022), with AdamW and a learning rate that falls by a cosine.
 */
import { buildHead } from '../heads/build-head.js';
import type { HeadSpec, TrainedHead } from '../heads/head.js';
import { type Logger, silentLogger } from '../logger.js';
import { encodeModel } from '../onnx/write-model.js';
import { float32, type Tensor } from '../tensor/tensor.js';
import type { FeatureSet } from './feature-set.js';
import { copyParameters, FineTuneLoop, type LoopSettings, scoreBatch } from './fine-tune-loop.js';
import { fitStandardization, standardize } from './standardize.js';
import { buildTailGraph, type OpenSession, packTail, type Tail, type TailGraph } from './tail-step.js';
import { type EpochRecord, type Score, trainHead } from './train-head.js';

export interface FineTuneOptions {
  readonly head?: HeadSpec;
  /** λ of the head: fitted first with it, then a decay of λ/rows on the mean loss. */
  readonly l2?: number;
  /** Of the head. */
  readonly lr?: number;
  /** Of the weights nearest the head; default: 0.1 of the head's. */
  readonly tailLr?: number;
  /** Each layer further from the head learns at this share of the rate of the next one. */
  readonly layerDecay?: number;
  /** Decoupled weight decay of the tail's matrices and kernels. */
  readonly weightDecay?: number;
  /** Most of the gradient's Euclidean norm over all parameters, for the mean loss of a batch; Infinity for no limit. */
  readonly clipNorm?: number;
  /** Decay a step of the running average of all parameters that is evaluated and kept; 0 for none. */
  readonly ema?: number;
  /** Fits the head before the tail moves. */
  readonly warmStart?: boolean;
  readonly epochs?: number;
  /** Share of the first steps in which the rates rise from 0. */
  readonly warmUp?: number;
  readonly batch?: number;
  readonly standardize?: boolean;
  readonly seed?: number;
  /** Epochs without a better validation loss before training stops; the best weights are kept. */
  readonly patience?: number;
  readonly threads?: number;
  readonly signal?: AbortSignal;
  readonly logger?: Logger;
  readonly onEpoch?: (record: EpochRecord) => void;
}

export interface FineTuned {
  readonly head: TrainedHead;
  /** New values of the tail's weights, by the names they have in the model. */
  readonly weights: ReadonlyMap<string, Tensor>;
  /** Sum of the example losses + λ/2·‖W‖² of the head, at the weights that were kept. */
  readonly objective: number;
  readonly train: Score;
  readonly validation?: Score;
  /** The same with the head alone, before the tail moved; undefined without warm start. */
  readonly headAlone: { readonly train: Score; readonly validation?: Score } | undefined;
  readonly seconds: number;
  /** Epoch whose weights were kept; 0 where the head alone was best. */
  readonly stoppedAt: number;
  readonly history: readonly EpochRecord[];
}

/**
 * @param train - `features` holds the activations at the cut, [rows, activations]
 * @throws GraftError NO_GRADIENT_RULE, UNSUPPORTED_MODEL, TRAINING_FAILED where the loss becomes infinite, INTERRUPTED.
 */
export async function fineTune(
  tail: Tail,
  train: FeatureSet,
  validation: FeatureSet | undefined,
  options: FineTuneOptions,
  open: OpenSession,
): Promise<FineTuned> {
  const settings = withDefaults(options);
  const { head, logger, threads, seed } = settings;
  const classCount = train.classes.length;
  const sessionOptions = threads === undefined ? {} : { threads };
  const kind = buildHead(head, { dim: tail.dim, outputCount: classCount, task: 'single' });

  // The features at the start: what they are scaled by, and what the head is fitted on.
  const features = await featuresOf(tail, train, open, sessionOptions);
  const scaling = settings.standardize ? fitStandardization(features) : undefined;
  const scaled = (set: FeatureSet): FeatureSet => (scaling ? standardize(set, scaling) : set);
  const started = performance.now();
  const graph = await buildTailGraph(tail, { head, classCount, scaling });
  const step = await open(encodeModel(graph.model), sessionOptions);
  const scorer = await open(encodeModel(graph.scorer), sessionOptions);
  try {
    const start = await trainHead(
      scaled(features),
      validation && scaled(await featuresOf(tail, validation, open, sessionOptions)),
      {
        head,
        l2: settings.l2,
        standardize: false,
        seed,
        ...sessionOptions,
        // Without warm start one iteration gives the parameters their shapes and first values.
        ...(!settings.warmStart && { epochs: 1, solver: 'adamw' as const }),
      },
    );
    const parameters = startingParameters(graph, start.head);
    const loop = new FineTuneLoop({ graph, step, scorer }, parameters, settings, train, validation);
    const kept = await loop.run(settings.warmStart ? start.validation?.loss : undefined);
    const at = (names: Iterable<readonly [string, string]>): Map<string, Tensor> =>
      new Map([...names].map(([name, input]) => [name, kept.parameters.get(input)!]));
    const headParameters = at(graph.headInputs);
    const seconds = (performance.now() - started) / 1000;
    const trainScore = await loop.score(train, kept.parameters);
    const validationScore = validation && (await loop.score(validation, kept.parameters));
    warnOfOverfitting(trainScore, validationScore, logger);
    return {
      head: {
        spec: head,
        task: 'single',
        dim: tail.dim,
        classes: train.classes,
        parameters: kind.finish(headParameters, scaling),
      },
      weights: at([...graph.weights.keys()].map((name) => [name, name] as const)),
      objective: trainScore.loss * train.rows + penalty(headParameters, kind.penalized, settings.l2),
      train: { accuracy: trainScore.accuracy, loss: trainScore.loss },
      ...(validationScore && { validation: validationScore }),
      headAlone: settings.warmStart
        ? { train: start.train, ...(start.validation && { validation: start.validation }) }
        : undefined,
      seconds,
      stoppedAt: kept.epoch,
      history: loop.history,
    };
  } finally {
    await step.release();
    await scorer.release();
  }
}

function withDefaults(options: FineTuneOptions): LoopSettings & {
  readonly logger: Logger;
  readonly warmStart: boolean;
  readonly standardize: boolean;
  readonly threads?: number;
} {
  const { lr = 1e-3 } = options;
  return {
    head: { kind: 'linear' },
    l2: 1,
    layerDecay: 1,
    weightDecay: 0,
    clipNorm: 1,
    ema: 0,
    warmStart: true,
    epochs: 20,
    warmUp: 0.1,
    batch: 32,
    standardize: true,
    seed: 1,
    patience: 5,
    logger: silentLogger,
    onEpoch: () => {},
    ...options,
    lr,
    tailLr: options.tailLr ?? 0.1 * lr,
  };
}

/** The pooled features of all rows, with the weights that the model came with. */
async function featuresOf(
  tail: Tail,
  set: FeatureSet,
  open: OpenSession,
  options: { readonly threads?: number },
): Promise<FeatureSet> {
  const { model, activations } = packTail(tail);
  const session = await open(encodeModel(model), options);
  const { dim } = tail;
  const features = new Float32Array(set.rows * dim);
  try {
    for (let start = 0; start < set.rows; start += scoreBatch) {
      const end = Math.min(start + scoreBatch, set.rows);
      const x = float32([end - start, set.dim], set.features.subarray(start * set.dim, end * set.dim));
      const into = float32([end - start, dim], features.subarray(start * dim, end * dim));
      await session.run({ [activations]: x }, { [tail.output]: into });
    }
  } finally {
    await session.release();
  }
  return { ...set, features, dim };
}

/** Copies: the optimiser writes into them. */
function startingParameters(graph: TailGraph, head: TrainedHead): Map<string, Tensor> {
  const start = new Map(graph.weights);
  for (const [name, input] of graph.headInputs) start.set(input, head.parameters.get(name)!);
  return copyParameters(start);
}

function penalty(parameters: ReadonlyMap<string, Tensor>, penalized: readonly string[], l2: number): number {
  let sum = 0;
  for (const name of penalized) for (const w of parameters.get(name)!.data as Float32Array) sum += w * w;
  return 0.5 * l2 * sum;
}

function warnOfOverfitting(train: Score, validation: Score | undefined, logger: Logger): void {
  const [onTrain, onValidation] = [train.accuracy, validation?.accuracy];
  if (onTrain === undefined || onValidation === undefined || onTrain - onValidation < 0.1) return;
  logger.warn(
    `Overfitting: ${(100 * onTrain).toFixed(1)} % on the training part but ${(100 * onValidation).toFixed(1)} % ` +
      'on the validation part. Unfreeze a later layer, lower --tail-lr, or add examples.',
  );
}
