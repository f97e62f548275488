/**
 * Fine-tuning: the head and the last layers of the backbone are trained together on cached activations, the earlier
 * layers stay as they are. The head is fitted first and the tail then moves slowly from where pre-training left it
 * (linear probing, then fine-tuning: Kumar et al. 2022), with AdamW and a learning rate that falls by a cosine.
 */
import { GraftError } from '../errors.js';
import { buildHead } from '../heads/build-head.js';
import type { Head, HeadSpec, Standardization, TrainedHead } from '../heads/head.js';
import { type Logger, silentLogger } from '../logger.js';
import { encodeModel } from '../onnx/write-model.js';
import type { SessionOptions } from '../runtime/session.js';
import type { Targets } from '../tasks/targets.js';
import type { LossSpec, TaskKind } from '../tasks/task.js';
import { taskOf } from '../tasks/task-of.js';
import { sizeOf } from '../tensor/shape.js';
import { float32, type Tensor } from '../tensor/tensor.js';
import type { FeatureSet } from './feature-set.js';
import { describeOverfitting } from './describe-overfitting.js';
import { diverged, runFineTuning } from './fine-tune-loop.js';
import type { ActivationSet } from './row-source.js';
import { fitTargetScaling, scaleTargets, unscaleLastLayer, unscaleOutputs } from './scale-targets.js';
import { fitStandardization } from './standardize.js';
import { copyParameters, sumSquares } from './parameter-values.js';
import { tailOptimizer } from './tail-optimizer.js';
import { computeFeatures, computeOutputs } from './tail-scorer.js';
import { buildTailGraph, type OpenSession, type Tail } from './tail-step.js';
import { type EpochRecord, type Score, startingParameters, trainHead } from './train-head.js';
import { type Checkpoint, keepStates, type SolverState } from './training-state.js';

export interface FineTuneOptions {
  readonly head?: HeadSpec;
  readonly task?: TaskKind;
  readonly loss?: LossSpec;
  readonly classWeights?: 'none' | 'balanced';
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
  /**
   * Epochs in which the layers join one group after another, those nearest the head first (gradual unfreezing: Howard &
   * Ruder 2018, ULMFiT): in epoch e the last e/gradual of them move. Without a fitted head the first epoch is the head's
   * alone. 0: all from the start.
   */
  readonly gradual?: number;
  readonly epochs?: number;
  /** Share of the first steps in which the rates rise from 0. */
  readonly warmUp?: number;
  readonly batch?: number;
  readonly standardize?: boolean;
  readonly seed?: number;
  /**
   * Epochs without a better score on the validation part (the task's figure, then the loss) before training stops;
   * default: none does. The best weights are kept.
   */
  readonly patience?: number;
  readonly threads?: number;
  readonly signal?: AbortSignal;
  readonly logger?: Logger;
  readonly onEpoch?: (record: EpochRecord) => void;
  /** A state can be taken after every step. */
  readonly checkpoint?: Checkpoint | undefined;
}

export interface HeadAlone {
  readonly train: Score;
  readonly validation?: Score;
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
  readonly headAlone: HeadAlone | undefined;
  readonly seconds: number;
  /** Epoch whose weights were kept; 0 where the head alone was best. */
  readonly stoppedAt: number;
  readonly history: readonly EpochRecord[];
}

/**
 * @throws GraftError NO_GRADIENT_RULE, UNSUPPORTED_MODEL, INVALID_ARGUMENT, TRAINING_FAILED where the loss becomes
 *   infinite, INTERRUPTED.
 */
export async function fineTune(
  tail: Tail,
  train: ActivationSet,
  validation: ActivationSet | undefined,
  options: FineTuneOptions,
  open: OpenSession,
): Promise<FineTuned> {
  const settings = withDefaults(options);
  const { head: spec } = settings;
  if (spec.kind === 'prototype') {
    throw new GraftError(
      'INVALID_ARGUMENT',
      'The prototype head has nothing to train by steps; take --head linear, mlp or cosine with --unfreeze.',
    );
  }
  const { checkpoint, signal } = settings;
  const from = checkpoint?.from;
  const started = performance.now() - 1000 * (from?.seconds ?? 0);
  const sessionOptions: SessionOptions = settings.threads === undefined ? {} : { threads: settings.threads };
  const outputCount = train.classes.length;
  const task = taskOf(settings.task);
  const classWeights = settings.classWeights === 'balanced' ? task.balance?.(train) : undefined;
  // Numbers are predicted at mean 0 and deviation 1, so that one learning rate fits them all.
  const targetScaling = settings.task === 'regression' ? fitTargetScaling(train) : undefined;
  const scaled = <T extends Targets>(set: T): T => (targetScaling ? scaleTargets(set, targetScaling) : set);
  const head = buildHead(spec, { dim: tail.dim, outputCount, task: settings.task });
  const begin = async (): Promise<HeadStart> => {
    const [features, held] = await featuresOf(tail, train, validation, open, { ...sessionOptions, signal });
    return startHead(scaled(features), held && scaled(held), settings);
  };
  const start = from ? keptStart(from, head) : await begin();

  const graph = await buildTailGraph(tail, {
    head: spec,
    task: settings.task,
    outputCount,
    scaling: start.scaling,
    loss: settings.loss,
    classWeights,
    targetScale: targetScaling?.std,
  });
  const step = await open(encodeModel(graph.model), sessionOptions);
  const scorer = await open(encodeModel(graph.scorer), sessionOptions).catch(async (error: unknown) => {
    await step.release();
    throw error;
  });
  try {
    const measure = (outputs: Float32Array, set: ActivationSet, order?: ArrayLike<number>): Score =>
      task.measure(
        targetScaling ? unscaleOutputs(outputs, targetScaling) : outputs,
        set,
        settings.loss,
        order,
      );
    const score = async (set: ActivationSet, parameters: ReadonlyMap<string, Tensor>): Promise<Score> =>
      measure(await computeOutputs(scorer, graph, set.activations, parameters, outputCount), set);
    const headDecay = (settings.l2 * head.penaltyFactor) / train.rows;
    // Copies: the optimizer writes into them.
    const parameters = copyParameters(
      new Map([...graph.weights, ...renamed(start.parameters, graph.headInputs)]),
    );
    const scoreStart = async (): Promise<HeadAlone> => ({
      train: await score(train, parameters),
      ...(validation && { validation: await score(validation, parameters) }),
    });
    const atStart = from
      ? (from.fields.headAlone as HeadAlone | undefined)
      : settings.warmStart
        ? await scoreStart()
        : undefined;
    const history = [...(from?.history ?? [])];
    const save = checkpoint && keepStates(checkpoint, { started, history, signal });
    const kept = await runFineTuning({
      graph,
      step,
      parameters,
      optimizer: tailOptimizer(
        parameters,
        graph.depthOf,
        new Set(head.penalized.map((name) => graph.headInputs.get(name)!)),
        { ...settings, headDecay },
      ),
      train: scaled(train),
      task,
      settings: { ...settings, classWeights, reach: reachOf(settings) },
      measure: (outputs, order) => measure(outputs, train, order),
      validate: validation && ((current) => score(validation, current)),
      start: atStart?.validation,
      from,
      history,
      async checkpoint(epoch, where, state) {
        if (save) await save(epoch, where, () => withStart(state(), start.scaling, atStart));
        else if (signal?.aborted)
          throw new GraftError('INTERRUPTED', `Training was stopped ${where}; nothing was written.`);
      },
    });
    const trainScore = await score(train, kept.parameters);
    if (!Number.isFinite(trainScore.loss)) throw diverged(history.length);
    const validationScore = validation && (await score(validation, kept.parameters));
    const overfitting = describeOverfitting(task, 'unfrozen', trainScore, validationScore);
    if (overfitting !== undefined) settings.logger.warn(overfitting);
    const trained = new Map([...graph.headInputs].map(([name, at]) => [name, kept.parameters.get(at)!]));
    const inUnits = targetScaling ? unscaleLastLayer(trained, targetScaling) : trained;
    const finished = head.finish(inUnits, start.scaling);
    return {
      head: { spec, task: settings.task, dim: tail.dim, classes: train.classes, parameters: finished },
      weights: new Map([...graph.weights.keys()].map((name) => [name, kept.parameters.get(name)!])),
      objective:
        trainScore.loss * train.rows +
        0.5 *
          settings.l2 *
          head.penaltyFactor *
          sumSquares(settings.standardize ? inUnits : finished, head.penalized),
      train: trainScore,
      ...(validationScore && { validation: validationScore }),
      headAlone: atStart,
      seconds: (performance.now() - started) / 1000,
      stoppedAt: kept.epoch,
      history,
    };
  } finally {
    await step.release();
    await scorer.release();
  }
}

/** Examples a step. */
export const defaultBatch = 16;
export const defaultEpochs = 8;
/** Of the head; the layers under it learn at a tenth of it. */
export const defaultRate = 5e-3;
export const tailShare = 0.1;

type Optional = 'threads' | 'signal' | 'checkpoint';
type Settings = Required<Omit<FineTuneOptions, Optional>> & Pick<FineTuneOptions, Optional>;

function withDefaults(options: FineTuneOptions): Settings {
  const { lr = defaultRate } = options;
  return {
    head: { kind: 'linear' },
    task: 'single',
    loss: {},
    classWeights: 'none',
    l2: 1,
    layerDecay: 1,
    weightDecay: 0,
    clipNorm: 1,
    ema: 0,
    warmStart: true,
    gradual: 0,
    epochs: defaultEpochs,
    warmUp: 0.1,
    batch: defaultBatch,
    standardize: true,
    seed: 1,
    patience: Number.POSITIVE_INFINITY,
    logger: silentLogger,
    onEpoch: () => {},
    ...options,
    lr,
    tailLr: options.tailLr ?? tailShare * lr,
  };
}

function reachOf({ gradual, warmStart }: Settings): (epoch: number) => number {
  const headEpochs = warmStart ? 0 : 1;
  return (epoch) => (gradual > 0 ? Math.min(1, (epoch - headEpochs) / gradual) : 1);
}

/** What the tail makes of the activations as it came: what the head is fitted on first. */
async function featuresOf(
  tail: Tail,
  train: ActivationSet,
  validation: ActivationSet | undefined,
  open: OpenSession,
  options: SessionOptions & { readonly signal: AbortSignal | undefined },
): Promise<[FeatureSet, FeatureSet | undefined]> {
  const sources = [train, ...(validation ? [validation] : [])].map(({ activations }) => activations);
  const [own, held] = await computeFeatures(tail, sources, open, options);
  const { dim } = tail;
  return [{ ...train, dim, features: own! }, validation && { ...validation, dim, features: held! }];
}

/** The head that the tail begins to move under, and what its features are scaled by. */
interface HeadStart {
  readonly parameters: ReadonlyMap<string, Tensor>;
  readonly scaling: Standardization | undefined;
}

/** The start in a state of training, where its parameters have long been replaced. */
function keptStart({ tensors }: SolverState, { parameters }: Head): HeadStart {
  const [mean, std] = ['mean', 'std'].map((name) => tensors.get(`scaling/${name}`)?.data as Float64Array);
  return {
    parameters: new Map(
      [...parameters].map(([name, dims]) => [name, float32(dims, new Float32Array(sizeOf(dims)))]),
    ),
    scaling: mean && std && { mean, std },
  };
}

function withStart(
  { fields, tensors }: SolverState,
  scaling: Standardization | undefined,
  headAlone: HeadAlone | undefined,
): SolverState {
  const kept = Object.entries(scaling ?? {}).map(
    ([name, data]: [string, Float64Array]) =>
      [`scaling/${name}`, { dtype: 'float64', dims: [data.length], data }] satisfies [string, Tensor],
  );
  return { fields: { ...fields, headAlone }, tensors: new Map([...tensors, ...kept]) };
}

/** Fitted, or as its kind begins. */
async function startHead(
  features: FeatureSet,
  held: FeatureSet | undefined,
  settings: Settings,
): Promise<HeadStart> {
  const { head: spec, task: kind, seed, warmStart, standardize, loss, l2, threads, signal } = settings;
  if (warmStart) {
    const { trained } = await trainHead(features, held, {
      head: spec,
      task: kind,
      loss,
      classWeights: settings.classWeights,
      l2,
      standardize,
      seed,
      ...(threads !== undefined && { threads }),
      ...(signal && { signal }),
    });
    return trained;
  }
  const task = taskOf(kind);
  const head = buildHead(spec, { dim: features.dim, outputCount: features.classes.length, task: kind });
  const classWeights = settings.classWeights === 'balanced' ? task.balance?.(features) : undefined;
  return {
    parameters: startingParameters(head, task, features, { seed, classWeights, targetScaling: undefined }),
    scaling: standardize ? fitStandardization(features) : undefined,
  };
}

function renamed(
  parameters: ReadonlyMap<string, Tensor>,
  names: ReadonlyMap<string, string>,
): [string, Tensor][] {
  return [...names].map(([name, to]) => [to, parameters.get(name)!]);
}
