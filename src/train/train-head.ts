/** Trains a head on features: to the optimum (L-BFGS), by epochs (AdamW, SGD), or in closed form (prototypes). */
import { GraftError } from '../errors.js';
import { buildHead } from '../heads/build-head.js';
import type { Head, Standardization, TrainedHead } from '../heads/head.js';
import type { Meter, Score } from '../tasks/task.js';
import { taskOf } from '../tasks/task-of.js';
import type { Tensor } from '../tensor/tensor.js';
import { assertFeatureSet } from './assert-feature-set.js';
import { assertMemory } from './assert-memory.js';
import { assertMeasurable, assertUsable } from './assert-usable.js';
import { describeOverfitting } from './describe-overfitting.js';
import { describeUnfinished } from './describe-unfinished.js';
import type { EpochRecord } from './epoch-record.js';
import { openExactStep } from './exact-step.js';
import type { AnyFeatureSet } from './feature-set.js';
import type { Convergence, Fit } from './fit.js';
import { fitByEpochs } from './fit-by-epochs.js';
import { fitPrototypes } from './fit-prototypes.js';
import { fitToOptimum } from './fit-to-optimum.js';
import { openHeadScorer } from './head-scorer.js';
import { layoutParameters } from './parameter-layout.js';
import { sumSquares } from './parameter-values.js';
import { fitTargetScaling, scaleTargets, unscaleLastLayer, unscaleOutputs } from './scale-targets.js';
import { isConstant, measureStandardization, standardize } from './standardize.js';
import { startingParameters } from './starting-parameters.js';
import { fillIn, type FilledOptions, type TrainOptions } from './train-options.js';
import { keepStates } from './training-state.js';
import { countExamples, withoutViews } from './views.js';

export interface TrainResult {
  readonly head: TrainedHead;
  /** The head's parameters as they were trained, on features scaled so: for those who train on from there. */
  readonly trained: {
    readonly parameters: ReadonlyMap<string, Tensor>;
    readonly scaling: Standardization | undefined;
  };
  readonly objective: number;
  readonly train: Score;
  readonly validation?: Score;
  /** The fit alone. */
  readonly seconds: number;
  /** Epoch or iteration whose weights were kept. */
  readonly stoppedAt: number;
  /** Of L-BFGS: how its search ended. */
  readonly convergence?: Convergence;
  readonly history: readonly EpochRecord[];
}

/**
 * A training part in several views: L-BFGS takes all of them, each weighing 1 / views, the other solvers one an epoch.
 * Scores are those of the examples as they are. Features that are read when they are needed give the same bits.
 * @throws GraftError INVALID_ARGUMENT for features that are not finite, sets that do not go together, or a loss that is focal and smoothed,
 *   OUT_OF_MEMORY, TRAINING_FAILED where the loss becomes infinite, INTERRUPTED.
 */
export async function trainHead(
  train: AnyFeatureSet,
  validation: AnyFeatureSet | undefined,
  options: TrainOptions = {},
): Promise<TrainResult> {
  assertFeatureSet(train, 'train');
  if (validation !== undefined) assertFeatureSet(validation, 'validation');
  const { threads, signal, checkpoint, ...given } = options;
  const settings = fillIn(given, countExamples(train));
  const { head: spec, logger } = settings;
  const task = taskOf(settings.task);
  assertOneDirection(settings);
  await assertUsable(task, train, validation);
  assertMemory(train, given);
  const shape = { dim: train.dim, outputCount: train.classes.length, task: settings.task };
  const head = buildHead(spec, shape);
  const sets = await scaleSets(train, validation, settings, head);
  const { scaling, targetScaling, plainSet, validationSet } = sets;
  // Views of equal weight: the sum over all of them with λ · views is `views` times the objective.
  const repeats = settings.solver === 'lbfgs' ? (train.views ?? 1) : 1;
  const openMeter = (set: AnyFeatureSet): Meter => {
    const meter = task.openMeter(set, settings.loss);
    return { ...meter, add: (outputs, rows) => meter.add(unscaleOutputs(outputs, targetScaling), rows) };
  };
  const scorer = await openHeadScorer(spec, shape, threads);
  const score = async (set: AnyFeatureSet, parameters: ReadonlyMap<string, Tensor>): Promise<Score> => {
    const meter = openMeter(set);
    for await (const { rows, outputs } of scorer.blocks(set, parameters)) meter.add(outputs, rows);
    return meter.score();
  };
  try {
    const from = checkpoint?.from;
    const history: EpochRecord[] = [...(from?.history ?? [])];
    const record: Fit['record'] = async (epoch, objective, parameters, trainScore) => {
      const held = validationSet && (await score(validationSet, parameters));
      if (held) assertMeasurable(held, settings.solver !== 'lbfgs');
      const entry: EpochRecord = {
        epoch,
        objective: objective / repeats,
        train: trainScore ?? (await score(plainSet, parameters)),
        ...(held && { validation: held }),
      };
      history.push(entry);
      settings.onEpoch(entry);
      return entry;
    };
    const started = performance.now() - 1000 * (from?.seconds ?? 0);
    const save = checkpoint && keepStates(checkpoint, { started, history, signal });
    const classWeights = settings.classWeights === 'balanced' ? task.balance?.(train) : undefined;
    const solve =
      spec.kind === 'prototype' ? fitPrototypes : settings.solver === 'lbfgs' ? fitToOptimum : fitByEpochs;
    const fitted = await solve({
      head,
      task,
      train: sets.trainSet,
      parameters: startingParameters(head, task, train, { seed: settings.seed, classWeights, targetScaling }),
      options: { ...settings, l2: settings.l2 * repeats },
      rawPenalty: sets.isPenaltyRaw ? scaling : undefined,
      targetScaling,
      classWeights,
      threads,
      from,
      checkpoint: async (epoch, state) => save?.(epoch, `after epoch ${epoch}`, state),
      // With a checkpoint the epoch is first kept.
      check: (epoch, objective) => assertGoesOn(epoch, objective, checkpoint ? undefined : signal),
      openMeter: () => openMeter(train),
      scoreTrain: (parameters) => score(plainSet, parameters),
      record,
    });
    const seconds = (performance.now() - started) / 1000;
    const trainScore = await score(plainSet, fitted.parameters);
    const validationScore = validationSet && (await score(validationSet, fitted.parameters));
    for (const warning of [
      describeOverfitting(task, spec.kind, trainScore, validationScore),
      fitted.convergence ? undefined : describeUnfinished(history),
    ])
      if (warning !== undefined) logger.warn(warning);
    const parameters = unscaleLastLayer(fitted.parameters, targetScaling);
    return {
      head: {
        spec,
        task: settings.task,
        dim: train.dim,
        classes: train.classes,
        parameters: head.finish(parameters, scaling),
      },
      trained: { parameters, scaling },
      objective: sets.isExact
        ? fitted.objective / repeats
        : await objectiveOf(head, plainSet, parameters, { ...settings, weights: classWeights, threads }),
      train: trainScore,
      ...(validationScore && { validation: validationScore }),
      seconds,
      stoppedAt: fitted.stoppedAt,
      ...(fitted.convergence && { convergence: fitted.convergence }),
      history,
    };
  } finally {
    await scorer.release();
  }
}

/** @throws GraftError INTERRUPTED by the signal, TRAINING_FAILED for an infinite loss. */
function assertGoesOn(epoch: number, objective: number, signal: AbortSignal | undefined): void {
  if (signal?.aborted)
    throw new GraftError('INTERRUPTED', `Training was stopped at epoch ${epoch}; no head was written.`);
  if (Number.isFinite(objective)) return;
  throw new GraftError(
    'TRAINING_FAILED',
    `The loss became infinite at epoch ${epoch}; lower the learning rate with --lr.`,
  );
}

/** What is trained and scored on, scaled as the solver wants it. */
async function scaleSets(
  train: AnyFeatureSet,
  validation: AnyFeatureSet | undefined,
  { solver, standardize: isAsked, task, logger }: FilledOptions,
  head: Head,
) {
  const isExact = solver === 'lbfgs' && head.isConvex;
  // L-BFGS on a convex head works on standardised features even where the penalty is on raw ones.
  const isPenaltyRaw = !isAsked && isExact;
  const scaling = isAsked || isPenaltyRaw ? await measureStandardization(train) : undefined;
  if (scaling?.std.every((deviation) => deviation === 1) && (await isConstant(train))) {
    logger.warn(
      `All ${train.rows} training examples have the same features, so nothing tells them apart; choose another --layer, or look at ` +
        'how the features were made.',
    );
  }
  const scaled = (set: AnyFeatureSet): AnyFeatureSet => (scaling ? standardize(set, scaling) : set);
  const ofUnits = scaled(train);
  const targetScaling = task === 'regression' && !isExact ? fitTargetScaling(train) : undefined;
  return {
    isExact,
    isPenaltyRaw,
    scaling,
    targetScaling,
    trainSet: scaleTargets(ofUnits, targetScaling),
    /** Without views, and with targets as they are. */
    plainSet: withoutViews(ofUnits),
    validationSet: validation && scaled(validation),
  };
}

/** Sum of the losses, as they were trained with, + λ/2 · ‖W‖². */
async function objectiveOf(
  head: Head,
  train: AnyFeatureSet,
  parameters: ReadonlyMap<string, Tensor>,
  options: FilledOptions & {
    readonly weights: Float32Array | undefined;
    readonly threads: number | undefined;
  },
): Promise<number> {
  const { head: spec, task, loss, weights: classWeights, threads, l2 } = options;
  const step = await openExactStep({ spec, task, train, loss, classWeights, threads });
  try {
    const layout = layoutParameters(head.parameters);
    const { losses } = await step.evaluate(layout.stack([layout.flatten(parameters)]));
    return losses[0]! + 0.5 * l2 * head.penaltyFactor * sumSquares(parameters, head.penalized);
  } finally {
    await step.release();
  }
}

/** Of classes the exact gradient of a focal loss is that of a plain target, and not of a smoothed one. */
function assertOneDirection({ loss: { focal, labelSmoothing } }: FilledOptions): void {
  if (!focal || !labelSmoothing) return;
  throw new GraftError(
    'INVALID_ARGUMENT',
    `Expected focal or labelSmoothing in loss but received both (${focal} and ${labelSmoothing}); they pull in opposite directions: take one of them.`,
  );
}
