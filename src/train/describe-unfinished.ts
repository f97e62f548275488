import { formatLoss } from '../tasks/describe-score.js';
import type { EpochRecord } from './epoch-record.js';

/** Share of the epochs at their end in which a fall of the validation loss counts. */
const lastShare = 0.1;
/** The least fall that is said: as a share of the loss before it, or of all that the loss has fallen since the first epoch. */
const leastOfLoss = 0.02;
const leastOfFall = 0.05;

/**
 * A sentence and the remedy where the epochs ended before the head had learned what it can: the validation loss was still
 * falling. A training that stopped early was not.
 */
export function describeUnfinished(history: readonly EpochRecord[]): string | undefined {
  const losses = history.map(({ validation }) => validation?.loss ?? Number.NaN);
  const late = Math.max(1, Math.round(lastShare * losses.length));
  const before = Math.min(...losses.slice(0, -late));
  const end = Math.min(...losses.slice(-late));
  const fall = before - end;
  const isFalling = fall >= leastOfLoss * before || fall >= leastOfFall * (losses[0]! - end);
  if (!(fall > 0 && isFalling && Number.isFinite(before))) return undefined;
  const epochs = late === 1 ? 'the last epoch' : `the last ${late} epochs`;
  return (
    `Unfinished: the validation loss still fell, from ${formatLoss(before)} to ${formatLoss(end)}, in ${epochs} of ${losses.length}. ` +
    'Try more --epochs, a higher --lr, or a smaller --batch.'
  );
}
