/** A head on a frozen backbone: caches what is missing, splits, trains. */
import { cacheFeatures } from './cache-features.js';
import { fitHead } from './fit-head.js';
import { digest } from './run-progress.js';
import { splitFeatures } from './split-features.js';
import type { FitContext, FittedRun, TrainOptions } from './train-run.js';

export async function fitOnBackbone(options: TrainOptions, context: FitContext): Promise<FittedRun> {
  const cached = await cacheFeatures(options, context);
  const { train, validation, rows, held } = await splitFeatures(cached, options, context.logger);
  const { dataset, keys, store } = cached;
  const named = validation ? rows.validation : rows.train;
  const fitted = await fitHead(
    {
      task: dataset.task,
      train,
      validation,
      // Features follow from the store and the keys of what was cached in it.
      data: digest(
        store.folder,
        keys,
        ...[rows.train, rows.validation].map((part) => Int32Array.from(part)),
        train.labels,
        ...(train.targets ? [train.targets] : []),
      ),
      nameOf: (row) => dataset.examples[named[row]!]!.path,
    },
    options,
    context,
  );
  return { ...fitted, config: { cached, held } };
}
