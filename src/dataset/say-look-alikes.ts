import { nameSome } from '../errors.js';
import type { Logger } from '../logger.js';

/** Says which names of classes differ in case, in blanks, in characters that show nothing, or as numbers are written. */
export function sayLookAlikes(names: readonly string[], root: string, logger: Logger): void {
  const alike = new Map<string, string[]>();
  for (const name of names) {
    const seen = appearanceOf(name);
    alike.set(seen, [...(alike.get(seen) ?? []), JSON.stringify(name)]);
  }
  const groups = [...alike.values()].filter((group) => group.length > 1).map((group) => group.join(' and '));
  if (groups.length === 0) return;
  logger.warn(
    `Names of classes of ${root} look alike but are different ones: ${nameSome(groups, 5)}; spell them alike where they mean the same.`,
  );
}

function appearanceOf(name: string): string {
  // Letters in both cases are classes of their own where handwriting is read.
  if (name.length === 1) return name;
  const shown = name
    .normalize('NFKC')
    .replace(/\p{Cf}/gu, '')
    .replace(/\s+/g, ' ')
    .trim()
    .toLowerCase();
  // Of more digits two numbers may be rounded to one.
  return /^[-+]?[\d.]{1,15}$/.test(shown) && Number.isFinite(Number(shown)) ? String(Number(shown)) : shown;
}
