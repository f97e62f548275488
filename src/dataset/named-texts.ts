import { GraftError } from '../errors.js';
import { splitList } from '../split-list.js';

/**
 * The columns that `--text-column` names: one, or with a comma between the two whose texts are a pair.
 * @param isThere - whether a column is called so: its own name may hold commas
 * @throws GraftError USAGE for three or more
 */
export function namedTexts(given: string, isThere: (name: string) => boolean): readonly string[] {
  if (!given.includes(',') || isThere(given)) return [given];
  const names = splitList('text-column', given);
  if (names.length === 2) return names;
  throw new GraftError(
    'USAGE',
    `Expected one column for --text-column, or two (a,b) whose texts are a pair, but received ${names.length} (${given}); join texts that belong together in one column.`,
  );
}
