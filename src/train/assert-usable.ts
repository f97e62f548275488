import { GraftError, invalidArgument } from '../errors.js';
import { addRows } from '../simd/matrix-rows.js';
import type { Score, Task } from '../tasks/task.js';
import { blocksOf } from './feature-blocks.js';
import type { AnyFeatureSet } from './feature-set.js';

/** @throws GraftError INVALID_ARGUMENT for features or targets that are not finite, or sets that do not go together. */
export async function assertUsable(
  task: Task,
  train: AnyFeatureSet,
  validation: AnyFeatureSet | undefined,
): Promise<void> {
  const outputs = train.classes.length;
  if (task.targetForm === 'label' && outputs < 2)
    throw invalidArgument('classes', 'two classes or more', outputs);
  if (outputs < 1) throw invalidArgument('classes', 'one output or more', outputs);
  if (train.rows === 0) throw invalidArgument('rows', 'at least one example to train on', 0);
  for (const set of validation ? [train, validation] : [train]) {
    if (set.dim !== train.dim) throw invalidArgument('dim', `${train.dim} features as in training`, set.dim);
    for await (const { values, from } of blocksOf(set)()) assertFinite('features', values, set.dim, from);
    if (task.targetForm === 'values') {
      if (set.targets?.length !== set.rows * outputs) {
        throw invalidArgument('targets', `${set.rows} · ${outputs} numbers`, set.targets?.length);
      }
      assertFinite('targets', set.targets, outputs);
    }
  }
}

/**
 * @param hasRate - whether the last steps may have gone too far, after the training part was measured
 * @throws GraftError TRAINING_FAILED where what trains well gives no numbers for the validation part.
 */
export function assertMeasurable(validation: Score, hasRate = false): void {
  if (Number.isFinite(validation.loss)) return;
  throw new GraftError(
    'TRAINING_FAILED',
    `The loss on the validation part is ${validation.loss}, though that on the training part is a number: ` +
      (hasRate ? 'the learning rate is too high (lower it with --lr), or ' : '') +
      'features of some validation example are too large. Look for one that is damaged, and leave it out.',
  );
}

function assertFinite(name: string, values: Float32Array, columns: number, from = 0): void {
  // Float64 has room for any sum of float32, so that it is finite if and only if all of them are.
  const sums = new Float64Array(columns);
  addRows(values, sums);
  if (sums.every(Number.isFinite)) return;
  const bad = values.findIndex((value) => !Number.isFinite(value));
  throw invalidArgument(name, `finite numbers (row ${from + Math.floor(bad / columns)})`, values[bad]);
}
