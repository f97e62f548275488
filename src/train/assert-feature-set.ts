import { invalidArgument } from '../errors.js';
import type { AnyFeatureSet } from './feature-set.js';

/**
 * That plain JavaScript, where no types are seen, gave what a feature set is.
 * @param name - of the argument
 * @throws GraftError INVALID_ARGUMENT naming the field that is missing or something else.
 */
export function assertFeatureSet(set: AnyFeatureSet, name: string): void {
  if (typeof set !== 'object' || set === null)
    throw invalidArgument(name, 'a set of features ({ features, dim, rows, classes, labels })', set);
  const { features, dim, rows, classes, labels } = set;
  for (const [field, count] of Object.entries({ dim, rows }))
    if (!Number.isSafeInteger(count) || count < 0)
      throw invalidArgument(`${name}.${field}`, 'a whole number of 0 or more', count);
  if (!Array.isArray(classes)) throw invalidArgument(`${name}.classes`, 'a list of names', classes);
  if (!(labels instanceof Int32Array))
    throw invalidArgument(`${name}.labels`, 'an Int32Array of class indices', labels);
  if (typeof features !== 'object' || features === null || Array.isArray(features))
    throw invalidArgument(`${name}.features`, 'a Float32Array of rows · dim numbers', features);
  if (features instanceof Float32Array && features.length < rows * dim)
    throw invalidArgument(`${name}.features`, `${rows} · ${dim} numbers`, features.length);
}
