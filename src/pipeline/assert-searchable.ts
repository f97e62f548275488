/** What the training at the end of a search would refuse, refused before the search. */
import type { Candidate } from '../train/candidate.js';
import { openFeatureFile } from './feature-file.js';
import { fewestFolds } from './folds-of-search.js';
import { assertHeadSuits, refuseStray } from './refuse-options.js';
import { assertSplittable, hasValidation } from './split-features.js';
import { trainingOf } from './training-of-candidate.js';
import type { TuneOptions } from './tuning-run.js';

/**
 * @param candidates - heads alone; each may be the one that is trained
 * @returns the share to hold out: none where it is not asked for, undefined where the data say themselves what validates
 * @throws GraftError USAGE for what one of them cannot be trained with, or none of them uses; INVALID_DATASET as
 *   `assertSplittable`
 */
export async function assertSearchable(
  options: TuneOptions,
  candidates: readonly Candidate[],
): Promise<number | undefined> {
  const { task, classes, isGiven } = await describeData(options);
  const validation = options.validation ?? (isGiven ? undefined : 0);
  const nowhere = { layer: '', pool: 'none', dim: 1 };
  const trainings = candidates.map((one) =>
    trainingOf({ candidate: { ...nowhere, ...one } }, options, validation),
  );
  for (const training of trainings) refuseStray(training);
  for (const training of trainings) assertHeadSuits(training, task, classes.length);
  // Unfrozen layers use some of what heads alone do not.
  if ('unfreeze' in options && options.unfreeze !== undefined) return validation;
  const [first] = trainings;
  for (const name of Object.keys(options) as (keyof TuneOptions)[]) {
    const isUnused = trainings.every((training) => training[name as keyof typeof training] === undefined);
    if (isUnused) assertHeadSuits({ ...first!, [name]: options[name] }, task, classes.length);
  }
  return validation;
}

async function describeData(given: TuneOptions) {
  const options = { ...given, validation: given.validation ?? 0 };
  if ('features' in options) {
    const file = await openFeatureFile(options.features, options);
    await file.close();
    return { task: options.task ?? 'single', classes: file.classes, isGiven: file.isGiven };
  }
  const dataset = await assertSplittable({ ...options, folds: options.folds ?? fewestFolds });
  return { ...dataset, isGiven: hasValidation(dataset) };
}
