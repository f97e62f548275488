import type { Logger } from '../logger.js';

/**
 * That nothing is held out by a share where the data say themselves what validates.
 * @param share - as it was asked for; undefined where it was not
 * @param count - examples of the given validation part
 */
export function sayShareUnused(
  share: number | undefined,
  { where, count }: { readonly where: string; readonly count: number },
  logger: Logger,
): void {
  if (share === undefined) return;
  logger.warn(
    `--validation ${share} is not used: ${where} says itself which ${count === 1 ? 'example validates' : `${count} examples validate`}; ` +
      'leave the flag away, or have them say train.',
  );
}
