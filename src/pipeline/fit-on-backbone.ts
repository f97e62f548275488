/** A head on a frozen backbone: caches what is missing, splits, trains. */
import { cacheFeatures } from './cache-features.js';
import { addViews, cacheViews, checkViewOptions } from './cache-views.js';
import { describeExample } from './describe-example.js';
import { fitHead } from './fit-head.js';
import { digest } from './run-progress.js';
import { splitFeatures } from './split-features.js';
import type { FitContext, FittedRun, TrainOptions } from './training-run.js';

export async function fitOnBackbone(options: TrainOptions, context: FitContext): Promise<FittedRun> {
  await checkViewOptions(options);
  const cached = await cacheFeatures(options, context);
  const parts = await splitFeatures(cached, options, context.logger);
  const { validation, rows, held, typical } = parts;
  const { dataset, keys, store } = cached;
  try {
    const [views] = options.views ? await cacheViews([cached], rows.train, options, context) : [];
    const train = views ? await addViews(parts, cached, views) : parts.train;
    const fitted = await fitHead(
      {
        task: dataset.task,
        train,
        validation,
        groups: parts.trainGroups,
        validationGroups: parts.validationGroups,
        // Features follow from the store and the keys of what was cached in it.
        data: digest(
          [store, ...(views?.stores ?? [])].map(({ folder }) => folder).join('\n'),
          keys,
          ...[rows.train, rows.validation].map((part) => Int32Array.from(part)),
          parts.train.labels,
          ...(parts.train.targets ? [parts.train.targets] : []),
        ),
        describeRow: (part, row) => describeExample(dataset, rows[part][row]!),
      },
      options,
      context,
    );
    return { ...fitted, config: { cached, held, typical }, views: views?.report };
  } finally {
    await parts.close();
  }
}
