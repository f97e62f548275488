import { GraftError } from '../errors.js';
import { freeMemory } from '../free-memory.js';
import { taskOf } from '../tasks/task-of.js';
import type { AnyFeatureSet } from './feature-set.js';
import { fillIn, type TrainOptions } from './train-options.js';
import { countExamples } from './views.js';

const gigabytes = (bytes: number): string => (bytes / 1e9).toPrecision(3);

/**
 * Scores are taken of what is predicted of every example; steps that go by batches keep what a class weighs for every other.
 * @throws GraftError OUT_OF_MEMORY where these alone are more than is free.
 */
export function assertMemory(train: AnyFeatureSet, options: TrainOptions): void {
  const examples = countExamples(train);
  const outputs = train.classes.length;
  const { task, solver, head } = fillIn(options, examples);
  const hasMasses = solver !== 'lbfgs' && head.kind !== 'prototype' && taskOf(task).targetForm === 'label';
  const bytes = 4 * examples * outputs + (hasMasses ? 12 * outputs ** 2 : 0);
  const free = freeMemory();
  if (bytes <= free) return;
  throw new GraftError(
    'OUT_OF_MEMORY',
    `Training on ${examples} examples with ${outputs} classes takes more than ${gigabytes(bytes)} GB, as there is a number for each ` +
      `of both, but ${gigabytes(free)} GB of memory is free; take fewer examples or classes.`,
  );
}
