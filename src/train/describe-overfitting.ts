import type { HeadKindName } from '../heads/head.js';
import { formatFigure } from '../tasks/describe-score.js';
import type { Score, Task } from '../tasks/task.js';

/** Gap between the parts, in the task's figure, from which on it is said. */
const largestGap = 0.1;

/** What to do about it: for each kind of head, and for unfrozen layers. */
const remedies: Readonly<Record<HeadKindName | 'unfrozen', string>> = {
  linear: 'a larger --l2, more examples, or another --layer',
  mlp: 'more --dropout, a smaller --hidden, a larger --weight-decay, --mixup 0.2, or --head linear',
  cosine: '--mixup 0.2, --head linear, more examples, or another --layer',
  prototype: 'more examples, or another --layer',
  unfrozen: 'a later layer for --unfreeze, a lower --tail-lr, or more examples',
};

/** A sentence and the remedy where the training part is done much better than the validation part. */
export function describeOverfitting(
  { figure: { name, title } }: Task,
  trained: keyof typeof remedies,
  train: Score,
  validation: Score | undefined,
): string | undefined {
  const [onTrain, onValidation] = [train[name], validation?.[name]];
  if (onTrain === undefined || onValidation === undefined || onTrain - onValidation < largestGap)
    return undefined;
  return (
    `Overfitting: ${title} ${formatFigure(name, onTrain)} on the training part but ${formatFigure(name, onValidation)} ` +
    `on the validation part. Try ${remedies[trained]}.`
  );
}
