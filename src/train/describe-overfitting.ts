import type { HeadKindName } from '../heads/head.js';
import { formatFigure } from '../tasks/describe-score.js';
import type { Score, Task } from '../tasks/task.js';

/** Gap between the parts, in the task's figure, from which on it is said. */
const largestGap = 0.1;

/** What to do about it: for each kind of head, and for unfrozen layers (of which docs/fine-tuning.md tells what was measured). */
const remedies: Readonly<Record<HeadKindName | 'unfrozen', string>> = {
  linear: 'a larger --l2, more examples, or another --layer',
  mlp: 'more --dropout, a smaller --hidden, a larger --weight-decay, --mixup 0.2, or --head linear',
  cosine: '--mixup 0.2, --head linear, more examples, or another --layer',
  prototype: 'more examples, or another --layer',
  unfrozen:
    'a larger --l2, more examples, or other layers: graft tune --unfreeze compares them, and the head alone',
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
