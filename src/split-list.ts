import { GraftError } from './errors.js';

/**
 * The items of a list that a flag holds.
 * @example splitList('layers', 'pool, head') // ['pool', 'head']
 * @throws GraftError USAGE for an empty item or one that is there twice.
 */
export function splitList(flag: string, text: string | number): string[] {
  const items = String(text)
    .split(',')
    .map((item) => item.trim());
  if (items.includes('')) {
    throw new GraftError(
      'USAGE',
      `Expected a list with commas between for --${flag} but received "${text}", in which an item is empty.`,
    );
  }
  return eachOnce(flag, items, items);
}

/**
 * @param shown - the items as they were given
 * @throws GraftError USAGE where two of the values are one.
 */
export function eachOnce<T>(flag: string, values: readonly T[], shown: readonly string[]): T[] {
  const twice = values.findIndex((value, i) => values.indexOf(value) !== i);
  if (twice < 0) return [...values];
  throw new GraftError(
    'USAGE',
    `Expected each item of --${flag} once but ${shown[twice]} is there twice; take one of them out.`,
  );
}
