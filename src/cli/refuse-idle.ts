import { GraftError } from '../errors.js';

/** Flags that say something more of another one, in training and caching. */
const inTraining: Readonly<Record<string, string>> = {
  augment: 'views',
  'view-seed': 'views',
  'mlflow-experiment': 'mlflow',
  'warm-start': 'unfreeze',
};

/**
 * @param isGiven - whether a flag was given, rather than has its default
 * @param needs - for each flag the one without which it says nothing
 * @throws GraftError USAGE for flags that nothing would come of.
 */
export function refuseIdle(
  isGiven: (flag: string) => boolean,
  needs: Readonly<Record<string, string>> = inTraining,
): void {
  for (const [flag, owner] of Object.entries(needs)) {
    if (!isGiven(flag) || isGiven(owner)) continue;
    throw new GraftError(
      'USAGE',
      `--${flag} has no meaning without --${owner}; give that too, or leave --${flag} away.`,
    );
  }
}
