import type { Logger } from '../logger.js';

/** The most frequent class has this many times the examples of the rarest one, or more: that is said. */
const heavyImbalance = 10;

export interface BalanceOptions {
  /** Folds of a cross-validation: a class with fewer than half as many examples is tiny. */
  readonly folds?: number | undefined;
  /** Whether classes are weighted already. */
  readonly isWeighted?: boolean | undefined;
}

/**
 * Says which classes have too few examples to be judged, and where some class drowns in another one.
 * @param counts - training examples of each class
 */
export function sayBalance(
  classes: readonly string[],
  counts: ArrayLike<number>,
  { folds = 5, isWeighted = false }: BalanceOptions,
  logger: Logger,
): void {
  const sizes = Array.from(counts);
  const least = Math.max(2, Math.ceil(folds / 2));
  const tiny = [...classes.keys()].filter((c) => sizes[c]! < least);
  if (tiny.length > 0) {
    const shown = tiny.slice(0, 5).map((c) => `${classes[c]} (${sizes[c]})`);
    logger.warn(
      `${tiny.length === 1 ? 'A class is tiny' : `${tiny.length} classes are tiny`}: ${shown.join(', ')}${tiny.length > 5 ? ', …' : ''} ` +
        'for training. What is learned and measured of them is chance; collect more, or leave them out.',
    );
  }
  const most = sizes.reduce((best, size, c) => (size > sizes[best]! ? c : best), 0);
  const fewest = sizes.reduce((best, size, c) => (size < sizes[best]! ? c : best), 0);
  if (isWeighted || sizes[most]! < heavyImbalance * Math.max(1, sizes[fewest]!)) return;
  logger.warn(
    `Heavy imbalance: ${sizes[most]} training examples of ${classes[most]} but ${sizes[fewest]} of ${classes[fewest]}. ` +
      'Make them count alike with --class-weights balanced, and look at macro F1 rather than accuracy.',
  );
}
