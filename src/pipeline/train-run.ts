/** `graft train`: caches what is missing (or reads features made elsewhere), trains the head, writes the run folder. */
import path from 'node:path';
import { GraftError } from '../errors.js';
import { silentLogger } from '../logger.js';
import type { Solver } from '../train/train-options.js';
import { packageVersion } from '../version.js';
import { fineTuneRun } from './fine-tune-run.js';
import { fitFeatureFile } from './fit-feature-file.js';
import { shownExamples } from './evaluate-run.js';
import { fitOnBackbone } from './fit-on-backbone.js';
import { labelErrorsCsv } from './list-label-errors.js';
import { openTrackers } from './open-trackers.js';
import { assertHeadSuits, refuseStray } from './refuse-options.js';
import { runEnvironment } from './run-environment.js';
import { finalFigures, flatten, metricsOf } from './run-figures.js';
import { assertWritableFolder, runFiles, writeRunFolder } from './run-folder.js';
import { spareFolder } from './spare-inputs.js';
import { openProgress, type RunProgress } from './run-progress.js';
import { sourceConfig, tokenizerOf, toGoOnWith } from './source-config.js';
import { assertSplittable } from './split-features.js';
import type {
  FeatureTrainOptions,
  FitContext,
  FittedRun,
  TrainedRun,
  TrainHooks,
  TrainOptions,
  TrainReport,
} from './training-run.js';

export async function trainRun(
  options: TrainOptions | FeatureTrainOptions,
  hooks: TrainHooks = {},
): Promise<TrainedRun> {
  const { logger = silentLogger } = hooks;
  refuseStray(options);
  const folder = path.resolve(options.out);
  await spareFolder(folder, options);
  await assertWritableFolder(folder);
  const isOfFile = 'features' in options;
  if (!isOfFile) {
    const { task, classes } = await assertSplittable(options);
    // What does not go together is said before hours of caching.
    assertHeadSuits(options, task, classes.length);
  }
  const environment = await runEnvironment(options);
  let progress: RunProgress | undefined;
  const begin: FitContext['begin'] = async (identity) => {
    const run = {
      name: path.basename(folder),
      parameters: flatten(identity.settings),
      tags: {
        ...(isOfFile ? { features: options.features } : { backbone: options.backbone, data: options.data }),
      },
    };
    progress = await openProgress(
      folder,
      { ...identity, environment, options: toGoOnWith(options) },
      {
        ...options,
        logger,
        track: (isResumed) => openTrackers(folder, run, { ...options, isResumed }, logger),
      },
    );
    return progress.checkpoint;
  };
  const context: FitContext = { ...hooks, begin, onEpoch: (record) => progress?.onEpoch(record) };
  try {
    const fitted = isOfFile
      ? await fitFeatureFile(options, context)
      : await (options.unfreeze === undefined ? fitOnBackbone : fineTuneRun)(options, context);
    const { result, training, evaluation, labelErrors, weights } = fitted;
    const report = reportOf(folder, fitted);
    await writeRunFolder(folder, {
      config: {
        ...sourceConfig(fitted.config),
        version: packageVersion(),
        classes: report.classes,
        training: { ...training, validation: options.validation ?? 0.2 },
        environment,
      },
      history: result.history,
      result: report,
      evaluation: {
        ...evaluation,
        ...(labelErrors && { labelErrors: labelErrors.listed.slice(0, shownExamples) }),
      },
      labelErrors: labelErrors && labelErrorsCsv(labelErrors),
      head: result.head,
      ...(weights && { weights }),
      tokenizer: tokenizerOf(fitted.config),
    });
    await progress?.end('finished', finalFigures(report));
    return { report, ...('cached' in fitted.config && { cache: fitted.config.cached.report }) };
  } catch (error) {
    const code = error instanceof GraftError ? error.code : undefined;
    await progress?.end(code === 'INTERRUPTED' ? 'killed' : 'failed', {});
    // Going on would fail again, and other settings, which the error asks for, are not to be refused.
    if (code === 'TRAINING_FAILED') await progress?.forget();
    throw error;
  }
}

function reportOf(folder: string, fitted: FittedRun): TrainReport {
  const { parts, result, training, evaluation, headAlone, views, neighbours, crossValidation, labelErrors } =
    fitted;
  return {
    run: folder,
    task: result.head.task,
    classes: parts.train.classes,
    examples: { train: parts.train.rows, validation: parts.validation?.rows ?? 0 },
    train: result.train,
    validation: result.validation ?? null,
    objective: result.objective,
    seconds: result.seconds,
    stoppedAt: result.stoppedAt,
    ...(result.convergence && { convergence: result.convergence }),
    ...(result.head.spec.kind !== 'prototype' && { solver: (training.solver ?? 'adamw') as Solver }),
    ...(headAlone && { headAlone }),
    ...(views && { views }),
    ...(neighbours && { neighbours }),
    ...(crossValidation && { crossValidation }),
    ...(labelErrors && {
      labelErrors: {
        found: labelErrors.found,
        examples: labelErrors.examples,
        file: path.join(folder, runFiles.labelErrors),
      },
    }),
    metrics: metricsOf(evaluation),
    ...(evaluation.calibration && { calibration: evaluation.calibration }),
  };
}
