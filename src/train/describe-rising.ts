import { formatFigure, formatLoss } from '../tasks/describe-score.js';
import type { Score, Task } from '../tasks/task.js';

/** By how much the loss has to rise, as a share of what it was, before it is said. */
const leastRise = 0.1;

/**
 * A sentence and the remedy where the layers moved away from what they were to learn: on the training part itself the loss is higher and
 * the task's figure lower than with the head alone. The loss by itself may rise where it is not what was trained on (`--label-smoothing`).
 */
export function describeRising(
  { figure: { name, title } }: Task,
  headAlone: Score | undefined,
  train: Score,
): string | undefined {
  const [was, is] = [headAlone?.[name], train[name]];
  if (headAlone === undefined || was === undefined || is === undefined) return undefined;
  if (!(train.loss > (1 + leastRise) * headAlone.loss && is < was)) return undefined;
  return (
    `Moving the layers made worse what they were trained on: the training loss rose from ${formatLoss(headAlone.loss)} to ${formatLoss(train.loss)}, ` +
    `${title} fell from ${formatFigure(name, was)} to ${formatFigure(name, is)}. Try a lower --lr and --tail-lr, or more --epochs.`
  );
}
