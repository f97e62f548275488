/**
 * Fine-tuning: the head and the last layers of the backbone are trained together on cached activations, the earlier
 * layers stay as they are. The head is fitted first and the tail then moves slowly from where pre-training left it
 * (linear probing, then fine-tuning: Kumar et al. 2022), with AdamW and a learning rate that falls by a cosine.
 */
import { GraftError } from '../errors.js';
import { buildHead } from '../heads/build-head.js';
import type { TrainedHead } from '../heads/head.js';
import { encodeModel } from '../onnx/write-model.js';
import type { SessionOptions } from '../runtime/session.js';
import type { Targets } from '../tasks/targets.js';
import type { Score } from '../tasks/task.js';
import { taskOf } from '../tasks/task-of.js';
import type { Tensor } from '../tensor/tensor.js';
import { assertMeasurable } from './assert-usable.js';
import { describeOverfitting } from './describe-overfitting.js';
import { describeRising } from './describe-rising.js';
import type { EpochRecord } from './epoch-record.js';
import { diverged, runFineTuning } from './fine-tune-loop.js';
import { type FineTuneOptions, type FineTuneSettings, withDefaults } from './fine-tune-options.js';
import { featuresOf, type HeadAlone, type HeadStart, keptStart, startHead, withStart } from './head-start.js';
import { copyParameters, sumSquares } from './parameter-values.js';
import type { ActivationSet } from './row-source.js';
import { fitTargetScaling, scaleTargets, unscaleLastLayer, unscaleOutputs } from './scale-targets.js';
import { tailOptimizer } from './tail-optimizer.js';
import { computeOutputs } from './tail-scorer.js';
import { buildTailGraph, type OpenSession, type TailGraph } from './tail-step.js';
import type { Tail } from './tail.js';
import { keepStates } from './training-state.js';

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
 * Trains the head and the tail on cached activations, float32 of the shape [rows, activations.dim].
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
  const scaled = <T extends Targets>(set: T): T => scaleTargets(set, targetScaling);
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
  const { step, scorer, release } = await openTailGraph(graph, open, sessionOptions);
  try {
    const measure = (outputs: Float32Array, set: ActivationSet, order?: ArrayLike<number>): Score =>
      task.measure(unscaleOutputs(outputs, targetScaling), set, settings.loss, order);
    const score = async (set: ActivationSet, parameters: ReadonlyMap<string, Tensor>): Promise<Score> =>
      measure(await computeOutputs(scorer, graph, set.activations, parameters, outputCount), set);
    const headDecay = (settings.l2 * head.penaltyFactor) / train.rows;
    // Copies: the optimizer writes into them.
    const parameters = copyParameters(tailParameters(graph, start.parameters));
    const scoreStart = async (): Promise<HeadAlone> => ({
      train: await score(train, parameters),
      ...(validation && { validation: await score(validation, parameters) }),
    });
    let atStart: HeadAlone | undefined;
    if (from) atStart = from.fields.headAlone as HeadAlone | undefined;
    else if (settings.warmStart) atStart = await scoreStart();
    if (atStart?.validation) assertMeasurable(atStart.validation);
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
    for (const warning of [
      describeOverfitting(task, 'unfrozen', trainScore, validationScore),
      describeRising(task, atStart?.train, trainScore),
    ])
      if (warning !== undefined) settings.logger.warn(warning);
    const ownUnits = unscaleLastLayer(headOf(kept.parameters, graph), targetScaling);
    const finished = head.finish(ownUnits, start.scaling);
    return {
      head: { spec, task: settings.task, dim: tail.dim, classes: train.classes, parameters: finished },
      weights: new Map([...graph.weights.keys()].map((name) => [name, kept.parameters.get(name)!])),
      objective:
        trainScore.loss * train.rows +
        0.5 *
          settings.l2 *
          head.penaltyFactor *
          sumSquares(settings.standardize ? ownUnits : finished, head.penalized),
      train: trainScore,
      ...(validationScore && { validation: validationScore }),
      headAlone: atStart,
      seconds: (performance.now() - started) / 1000,
      stoppedAt: kept.epoch,
      history,
    };
  } finally {
    await release();
  }
}

function reachOf({ gradual, warmStart }: FineTuneSettings): (epoch: number) => number {
  const headEpochs = warmStart ? 0 : 1;
  return (epoch) => (gradual > 0 ? Math.min(1, (epoch - headEpochs) / gradual) : 1);
}

/** The sessions that step and score, with one release of both. */
async function openTailGraph({ model, scorer }: TailGraph, open: OpenSession, options: SessionOptions) {
  const step = await open(encodeModel(model), options);
  try {
    const scoring = await open(encodeModel(scorer), options);
    const release = async (): Promise<void> => {
      await step.release();
      await scoring.release();
    };
    return { step, scorer: scoring, release };
  } catch (error) {
    await step.release();
    throw error;
  }
}

/** What the training graph takes as parameters: the tail's weights, and the head's by the names of their inputs. */
function tailParameters(
  { weights, headInputs }: TailGraph,
  head: ReadonlyMap<string, Tensor>,
): ReadonlyMap<string, Tensor> {
  return new Map([...weights, ...[...headInputs].map(([name, at]) => [at, head.get(name)!] as const)]);
}

/** The head's among the parameters of the training graph, by their own names. */
function headOf(
  parameters: ReadonlyMap<string, Tensor>,
  { headInputs }: TailGraph,
): ReadonlyMap<string, Tensor> {
  return new Map([...headInputs].map(([name, at]) => [name, parameters.get(at)!]));
}
