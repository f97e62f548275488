/** A head on features that were made elsewhere. */
import { loadFeatureParts, openFeatureFile } from './feature-file.js';
import { GraftError } from '../errors.js';
import type { TaskKind } from '../tasks/task.js';
import { taskOf } from '../tasks/task-of.js';
import { fitHead } from './fit-head.js';
import type { FeatureTrainOptions, FitContext, FittedRun } from './train-run.js';

export async function fitFeatureFile(options: FeatureTrainOptions, context: FitContext): Promise<FittedRun> {
  const file = await openFeatureFile(options.features, options);
  try {
    const { train, validation } = await loadFeatureParts(file);
    const named = validation ? file.validation : file.train;
    const fitted = await fitHead(
      {
        task: taskOfFile(options),
        train,
        validation,
        data: file.fingerprint,
        nameOf: (row) => `row ${named[row]}`,
      },
      options,
      context,
    );
    return { ...fitted, config: { features: file.path, dim: file.dim } };
  } finally {
    await file.close();
  }
}

/** @throws GraftError USAGE for a task whose targets the file cannot hold. */
function taskOfFile({ task = 'single' }: FeatureTrainOptions): TaskKind {
  if (taskOf(task).targetForm === 'label') return task;
  throw new GraftError(
    'USAGE',
    `A file of --features holds one class a row, which --task ${task} is not for.`,
  );
}
