import { GraftError } from '../errors.js';
import { freeMemory } from '../free-memory.js';

const gigabytes = (bytes: number): string => (bytes / 1e9).toPrecision(3);

/**
 * Scores are taken of what is predicted of every example; steps that go by batches keep what a class weighs for every other.
 * @param examples - each once, in however many views
 * @param outputs - classes, labels or numbers
 * @throws GraftError OUT_OF_MEMORY where these alone are more than is free.
 */
export function assertMemory(
  examples: number,
  outputs: number,
  { hasMassTable }: { readonly hasMassTable: boolean },
): void {
  const bytes = 4 * examples * outputs + (hasMassTable ? 12 * outputs ** 2 : 0);
  const free = freeMemory();
  if (bytes <= free) return;
  throw new GraftError(
    'OUT_OF_MEMORY',
    `Training on ${examples} examples with ${outputs} classes takes more than ${gigabytes(bytes)} GB, as there is a number for each ` +
      `of both, but ${gigabytes(free)} GB of memory is free; take fewer examples or classes.`,
  );
}
