/** A run in plain figures and settings: for its report, and for those who track it. */
import type { Spread } from './cross-validate-head.js';
import { figuresOfEvaluation, type RunEvaluation } from './evaluate-run.js';
import type { TrainReport } from './training-run.js';

/** What fits into a report of a few lines; all of it is in `evaluation.json`. */
export function metricsOf({ part, evaluation }: RunEvaluation): NonNullable<TrainReport['metrics']> {
  const pairs = 'confusedPairs' in evaluation ? { confusedPairs: evaluation.confusedPairs } : {};
  const intervals = 'intervals' in evaluation ? { intervals: evaluation.intervals } : {};
  return { part, ...figuresOfEvaluation(evaluation), ...intervals, ...pairs };
}

/** Numbers that trackers are told at the end. */
export function finalFigures({
  train,
  validation,
  metrics,
  crossValidation,
  objective,
  stoppedAt,
}: TrainReport): Record<string, number> {
  const named: [string, unknown][] = [
    ...Object.entries(train).map(([name, value]) => [`train/${name}`, value] as [string, unknown]),
    ...Object.entries({ ...validation, ...(metrics?.part === 'validation' && metrics) }).map(
      ([name, value]) => [`validation/${name}`, value] as [string, unknown],
    ),
    ...Object.entries(crossValidation ?? {}).map(
      ([name, value]) => [`folds/${name}`, (value as Spread).mean] as [string, unknown],
    ),
    ['objective', objective],
    ['stoppedAt', stoppedAt],
  ];
  return Object.fromEntries(
    named.filter(
      (entry): entry is [string, number] => typeof entry[1] === 'number' && Number.isFinite(entry[1]),
    ),
  );
}

/** @example flatten({ l2: 1, head: { kind: 'mlp' } }) // { l2: 1, 'head.kind': 'mlp' } */
export function flatten(
  settings: Readonly<Record<string, unknown>>,
  prefix = '',
): Record<string, string | number | boolean> {
  return Object.fromEntries(
    Object.entries(settings).flatMap(([name, value]) => {
      if (value === undefined || value === null) return [];
      if (typeof value === 'object' && !Array.isArray(value)) {
        return Object.entries(flatten(value as Record<string, unknown>, `${prefix}${name}.`));
      }
      const isPlain = typeof value === 'number' || typeof value === 'boolean' || typeof value === 'string';
      const shown = isPlain ? value : JSON.stringify(value);
      return [[`${prefix}${name}`, shown] as const];
    }),
  );
}
