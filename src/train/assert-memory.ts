import { GraftError } from '../errors.js';
import { freeMemory } from '../free-memory.js';
import { taskOf } from '../tasks/task-of.js';
import type { AnyFeatureSet } from './feature-set.js';
import { fillIn, type TrainOptions } from './train-options.js';
import { countExamples } from './views.js';

const gigabytes = (bytes: number): string => (bytes / 1e9).toPrecision(3);

/**
 * Steps that go by batches keep what a class weighs for every other. Of the part that is measured at the end there are scores of every
 * class, before and after the task's outputs, and what is taken for what.
 * @param measured - its examples
 * @throws GraftError OUT_OF_MEMORY where these alone are more than is free.
 */
export function assertMemory(train: AnyFeatureSet, options: TrainOptions, measured = 0): void {
  const examples = countExamples(train);
  const outputs = train.classes.length;
  const { task, solver, head } = fillIn(options, examples);
  const hasMasses = solver !== 'lbfgs' && head.kind !== 'prototype' && taskOf(task).targetForm === 'label';
  const bytes = (hasMasses ? 12 * outputs ** 2 : 0) + (measured > 0 ? 8 * outputs * (measured + outputs) : 0);
  const free = freeMemory();
  if (bytes <= free) return;
  throw new GraftError(
    'OUT_OF_MEMORY',
    `Training on ${examples} examples with ${outputs} classes takes more than ${gigabytes(bytes)} GB, as there are numbers for each ` +
      `two classes, and for each class of the ${measured} examples that are measured, but ${gigabytes(free)} GB of memory is free; ` +
      'take fewer examples or classes.',
  );
}
