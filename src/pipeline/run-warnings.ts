/** What a report warns of: figures that are not to be trusted, and data that are the reason. */
import type { HeadKindName } from '../heads/head.js';
import { taskOf } from '../tasks/task-of.js';
import { describeOverfitting } from '../train/describe-overfitting.js';
import { describeUnfinished } from '../train/describe-unfinished.js';
import type { EpochRecord } from '../train/epoch-record.js';
import type { RunEvaluation } from './evaluate-run.js';
import type { TrainReport } from './training-run.js';

/** Ratio of classes from which it is imbalance. */
const largestRatio = 5;
const fewExamples = 10;

/** @returns a sentence or more each */
export function warningsOfRun(
  { task, train, validation, examples, convergence }: TrainReport,
  kind: HeadKindName | 'unfrozen',
  history: readonly EpochRecord[],
  evaluated: RunEvaluation | undefined,
): string[] {
  const warnings: string[] = [];
  const overfitting = describeOverfitting(taskOf(task), kind, train, validation ?? undefined);
  if (overfitting !== undefined) warnings.push(overfitting);
  const unfinished = convergence || kind === 'unfrozen' ? undefined : describeUnfinished(history);
  if (unfinished !== undefined) warnings.push(unfinished);
  if (examples.validation > 0 && examples.validation < 100)
    warnings.push(
      // Of sets of labels there are no ranges.
      `Only ${examples.validation} examples were held out, so the figures are rough${task === 'multi' ? '' : ': see their intervals'}.`,
    );
  const counts = evaluated?.trainCounts ?? [];
  const { classes = [] } = evaluated?.evaluation ?? {};
  const isCounted = counts.length > 1 && evaluated?.evaluation.task !== 'regression';
  const [few, many] = isCounted ? [Math.min(...counts), Math.max(...counts)] : [1, 1];
  if (many >= largestRatio * few) {
    warnings.push(
      `Imbalance: ${classes[counts.indexOf(many)]} has ${many} training examples, ${classes[counts.indexOf(few)]} only ${few}. Look at macro F1 and recall rather than accuracy.`,
    );
  }
  const thin = isCounted ? counts.filter((count) => count < fewExamples).length : 0;
  if (thin > 0)
    warnings.push(
      `${thin} of ${counts.length} classes have fewer than ${fewExamples} training examples each.`,
    );
  return warnings;
}
