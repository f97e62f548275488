import { GraftError } from '../errors.js';
import type { TaskKind } from '../tasks/task.js';

/**
 * Several columns as one label: their numbers, or the names of those with a 1.
 * @throws GraftError USAGE where the task does not say which, INVALID_DATASET for what is neither 0 nor 1.
 */
export function joinLabels(
  values: readonly string[],
  names: readonly string[],
  task: TaskKind | undefined,
  file: string,
): string {
  if (task === 'regression') return JSON.stringify(values);
  if (task !== 'multi') {
    throw new GraftError(
      'USAGE',
      `Several label columns of ${file} are numbers or labels: say --task regression or --task multi.`,
    );
  }
  const strange = values.find((value) => !/^([01](\.0*)?|true|false)$/i.test(value));
  if (strange === undefined)
    return JSON.stringify(names.filter((_, i) => /^(1(\.0*)?|true)$/i.test(values[i]!)));
  throw new GraftError(
    'INVALID_DATASET',
    `Expected 0 or 1 in the label columns of ${file} but found ${JSON.stringify(strange)}.`,
  );
}
