/** A head on features that were made elsewhere. */
import { sayShareUnused } from '../dataset/say-share-unused.js';
import { silentLogger } from '../logger.js';
import { selectTargets } from '../tasks/targets.js';
import { openFeatureFile } from './feature-file.js';
import { loadFeatureParts, openFeatureParts } from './feature-parts.js';
import { fitHead } from './fit-head.js';
import { staysOnDisk } from './stays-on-disk.js';
import { sayTraining } from './say-training.js';
import type { FeatureTrainOptions, FitContext, FittedRun } from './training-run.js';

export async function fitFeatureFile(options: FeatureTrainOptions, context: FitContext): Promise<FittedRun> {
  const { logger = silentLogger } = context;
  const { task = 'single', classWeights } = options;
  const file = await openFeatureFile(options.features, options);
  try {
    if (file.isGiven)
      sayShareUnused(options.validation, { where: file.path, count: file.validation.length }, logger);
    sayTraining(selectTargets(file.targets, file.train), { task, classWeights }, logger);
    const isStreamed = staysOnDisk(options, file.rows * file.dim, context.logger);
    const { train, validation } = isStreamed ? openFeatureParts(file) : await loadFeatureParts(file);
    const fitted = await fitHead(
      {
        task,
        train,
        validation,
        groups: file.trainGroups,
        validationGroups: file.validationGroups,
        data: file.fingerprint,
        describeRow: async (part, row) => ({ path: `row ${file[part][row]}` }),
      },
      options,
      context,
    );
    return { ...fitted, config: { features: file.path, dim: file.dim, takesPairs: file.takesPairs } };
  } finally {
    await file.close();
  }
}
