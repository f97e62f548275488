/** What the training at the end of a search would refuse, refused before the search. */
import type { Candidate } from '../train/candidate.js';
import { assertHeadSuits, refuseStray } from './refuse-options.js';
import { assertSplittable } from './split-features.js';
import { trainingOf } from './training-of-candidate.js';
import type { TuneOptions } from './tuning-run.js';

/**
 * @param candidates - heads alone; each may be the one that is trained
 * @throws GraftError USAGE for what one of them cannot be trained with, or none of them uses; INVALID_DATASET as
 *   `assertSplittable`
 */
export async function assertSearchable(
  options: TuneOptions,
  validation: number,
  candidates: readonly Candidate[],
): Promise<void> {
  const nowhere = { layer: '', pool: 'none', dim: 1 };
  const trainings = candidates.map((one) =>
    trainingOf({ candidate: { ...nowhere, ...one } }, options, validation),
  );
  for (const training of trainings) refuseStray(training);
  const { task, classes } =
    'features' in options
      ? { task: options.task ?? 'single', classes: ['', ''] }
      : await assertSplittable({ ...options, validation });
  for (const training of trainings) assertHeadSuits(training, task, classes.length);
  // Unfrozen layers use some of what heads alone do not.
  if ('unfreeze' in options && options.unfreeze !== undefined) return;
  const [first] = trainings;
  for (const name of Object.keys(options) as (keyof TuneOptions)[]) {
    const isUnused = trainings.every((training) => training[name as keyof typeof training] === undefined);
    if (isUnused) assertHeadSuits({ ...first!, [name]: options[name] }, task, classes.length);
  }
}
