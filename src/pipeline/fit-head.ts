/** Trains a head on features and measures it: what all sources of features share. */
import { assertMemory } from '../train/assert-memory.js';
import { type AnyFeatureSet, isInMemory } from '../train/feature-set.js';
import type { TrainOptions as HeadTrainOptions } from '../train/train-options.js';
import { trainHead } from '../train/train-head.js';
import { withoutViews } from '../train/views.js';
import { silentLogger } from '../logger.js';
import type { TaskKind } from '../tasks/task.js';
import { countTargets } from '../tasks/targets.js';
import { taskOf } from '../tasks/task-of.js';
import { scoreNeighbours } from '../train/score-neighbours.js';
import { crossValidateHead } from './cross-validate-head.js';
import type { EvaluateRunInput, RunEvaluation } from './evaluate-run.js';
import { foldsOf } from './folds-of-search.js';
import { listLabelErrors } from './list-label-errors.js';
import { sayUnused } from './say-unused.js';
import { headTraining } from './head-options.js';
import { measureHead } from './measure-head.js';
import type { FitContext, FitOptions, FittedRun } from './training-run.js';

export interface FitInput {
  readonly task: TaskKind;
  readonly train: AnyFeatureSet;
  readonly validation: AnyFeatureSet | undefined;
  /** For each training example what must stay with it in one fold; undefined where each stands alone. */
  readonly groups: Int32Array | undefined;
  /** The same of the validation part. */
  readonly validationGroups: Int32Array | undefined;
  /** Digest of both parts and of what their features come from. */
  readonly data: string;
  /** What a row of a part is called, and where it is a text how it begins. */
  describeRow(part: RunEvaluation['part'], row: number): ReturnType<EvaluateRunInput['describeRow']>;
}

export async function fitHead(
  { task, train, validation, groups, validationGroups, data, describeRow }: FitInput,
  options: FitOptions,
  { logger = silentLogger, signal, begin, onEpoch, onFold }: FitContext,
): Promise<
  Pick<
    FittedRun,
    'parts' | 'result' | 'training' | 'evaluation' | 'neighbours' | 'crossValidation' | 'labelErrors'
  >
> {
  const training: HeadTrainOptions = {
    ...headTraining(options, task),
    ...(options.threads !== undefined && { threads: options.threads }),
  };
  sayUnused(options, training, { isValidated: validation !== undefined }, logger);
  const plain = withoutViews(train);
  const { folds: foldCount } = options;
  const folds = foldCount && foldsOf(plain, groups, foldCount, { seed: options.seed ?? 1, task, logger });
  const settings = {
    ...training,
    validation: options.validation ?? 0.2,
    calibrate: options.calibrate ?? false,
  };
  // Before anything is written.
  assertMemory(train, training, (validation ?? plain).rows);
  const checkpoint = await begin({ settings, data });
  const result = await trainHead(train, validation, {
    ...training,
    logger,
    onEpoch,
    checkpoint,
    ...(signal && { signal }),
  });
  const judged = folds
    ? await crossValidateHead(
        { train, folds, foldCount, training, stoppedAt: result.stoppedAt },
        { signal, onFold },
      )
    : undefined;
  const labelErrors =
    judged?.heldOut &&
    (await listLabelErrors(judged.heldOut, train.classes, (row) => describeRow('train', row)));
  const { threads } = options;
  const part = validation ? 'validation' : 'train';
  const { head, evaluation } = await measureHead({
    head: result.head,
    part,
    set: validation ?? plain,
    groups: validation ? validationGroups : groups,
    trainCounts: [...countTargets(plain)],
    describeRow: (row) => describeRow(part, row),
    calibrate: options.calibrate,
    logger,
    threads,
  });
  if (options.knn && !validation) {
    logger.warn(
      '--knn is measured on a validation part, but there is none; hold one out with --validation 0.2.',
    );
  }
  const k = options.knn && Math.min(options.knn, plain.rows);
  if (k && k < options.knn)
    logger.warn(`--knn ${options.knn} takes all ${k} training examples, as there are no more of them.`);
  const neighbours =
    k && validation && isInMemory(plain) && isInMemory(validation)
      ? { k, ...(await scoreNeighbours(taskOf(task), plain, validation, k, threads)) }
      : undefined;
  return {
    ...(neighbours && { neighbours }),
    ...(judged && { crossValidation: judged.crossValidation }),
    ...(labelErrors && { labelErrors }),
    parts: { train: plain, validation },
    result: { ...result, head },
    training: { ...settings, ...(foldCount && { folds: foldCount }) },
    evaluation,
  };
}
