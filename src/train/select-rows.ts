import { type AnyFeatureSet, isInMemory } from './feature-set.js';
import { selectTargets } from '../tasks/targets.js';
import { copyRows, pickRows } from './row-source.js';

/** Some examples of a set, in the order given, as a set of its own. */
export function selectRows<Set extends AnyFeatureSet>(set: Set, rows: ArrayLike<number>): Set {
  const { dim } = set;
  const count = rows.length;
  const own = { ...set, ...selectTargets(set, rows) };
  if (!isInMemory(set)) return { ...own, features: pickRows(set.features, rows) };
  const features = new Float32Array(count * dim);
  copyRows(set.features, dim, rows, features);
  return { ...own, features };
}
