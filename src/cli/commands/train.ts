import { GraftError } from '../../errors.js';
import type { FeatureTrainOptions, TrainOptions } from '../../pipeline/training-run.js';
import { defineCommand } from '../define-command.js';
import { goesOn } from '../output.js';
import { refuseBesideFeatures } from '../refuse-beside-features.js';
import { refuseIdle } from '../refuse-idle.js';
import {
  backboneOptions,
  cacheOptions,
  dataOptions,
  deviceOptions,
  featuresOption,
  outOption,
} from '../shared-options.js';
import { runKeepingOptions, trainingOptions, viewOptions } from '../training-options.js';

/** The flags of `train` and `run`. */
export const trainFlags = {
  ...backboneOptions,
  ...dataOptions,
  // Not demanded by themselves: --features or --resume may stand in their place.
  backbone: { ...backboneOptions.backbone, demandOption: false },
  data: { ...dataOptions.data, demandOption: false },
  ...featuresOption,
  ...outOption,
  ...trainingOptions,
  ...viewOptions,
  ...runKeepingOptions,
  ...cacheOptions,
  ...deviceOptions,
} as const;

export const trainCommand = defineCommand({
  command: 'train',
  isGrouped: true,
  farewell: goesOn,
  describe: 'Cache what is missing, train a head, write the run folder',
  options: trainFlags,
  example: ['train --backbone model.onnx --data photos --out runs/a', 'a linear head'],
  async run(args, output, isGiven) {
    const { trainRun } = await import('../../pipeline/train-run.js');
    const onProgress = await output.progress('features', 'examples');
    const onFold = await output.progress('cross-validation', 'folds');
    const { report, cache } = await trainRun(await trainOptions(args, isGiven), {
      ...output,
      onProgress,
      onFold,
    });
    const { describeTraining } = await import('../describe-training.js');
    output.result({ ...report, ...(cache && { cache }) }, describeTraining(report));
  },
});

/**
 * What is trained on what: a backbone and data, a file of features, or what an unfinished run began with.
 * @throws GraftError USAGE where it is none of them, or both.
 */
export async function trainOptions(
  args: Omit<TrainOptions, 'backbone' | 'data'> & {
    readonly backbone?: string | undefined;
    readonly data?: string | undefined;
    readonly features?: string | undefined;
  },
  isGiven: (flag: string) => boolean,
): Promise<TrainOptions | FeatureTrainOptions> {
  const { backbone, data, features, ...rest } = args;
  const isResumed = args.resume === true && backbone === undefined && data === undefined;
  // What a resumed run began with may hold the other flag.
  if (!isResumed) refuseIdle(isGiven);
  if (features !== undefined) {
    refuseBesideFeatures(isGiven);
    return { ...rest, features };
  }
  if (backbone !== undefined && data !== undefined) return { ...rest, backbone, data };
  if (isResumed) {
    const { optionsOfUnfinished } = await import('../../pipeline/run-progress.js');
    const begun = (await optionsOfUnfinished(args.out)) as unknown as TrainOptions | FeatureTrainOptions;
    // What is given beside --resume counts: other settings are refused, also where they are the usual ones.
    const given = Object.fromEntries(Object.entries(rest).filter(([name]) => isGiven(name)));
    if ('features' in begun) refuseBesideFeatures(isGiven);
    return { ...begun, ...given, out: args.out, resume: true };
  }
  const missing = [backbone === undefined && '--backbone', data === undefined && '--data'].filter(Boolean);
  throw new GraftError('USAGE', `Missing: ${missing.join(' and ')} (or --features in place of both).`);
}
