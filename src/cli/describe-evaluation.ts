/** What `graft eval` measured, as text for people. */
import type { EvaluationReport } from '../pipeline/evaluate-model.js';
import { formatLoss } from '../tasks/describe-score.js';
import { shortenText } from '../shorten-text.js';
import { describeMetrics } from './describe-metrics.js';
import { describeSkipped } from './describe-skipped.js';
import { formatExamples, formatShare, formatTable } from './format-text.js';

/** The figures, a table of the classes, the classes taken for another. */
export function describeEvaluation(report: EvaluationReport): string {
  const skipped = report.skipped.length > 0 ? `, ${report.skipped.length} left out` : '';
  const parts = [
    [
      `${formatExamples(report.examples)}${skipped}`,
      ...describeSkipped(report.skipped),
      `loss  ${formatLoss(report.loss)}`,
      ...describeMetrics({ ...report }),
    ].join('\n'),
    formatTable(classTable(report)),
  ];
  if ('confusedPairs' in report && report.confusedPairs.length > 0) {
    const rows = report.confusedPairs.map(({ label, prediction, examples, share }) => [
      clip(label),
      '→',
      clip(prediction),
      examples,
      formatShare(share),
    ]);
    parts.push(`taken for another\n${formatTable(rows)}`);
  }
  return parts.join('\n\n');
}

function classTable(report: EvaluationReport): (string | number)[][] {
  if (report.task === 'regression') {
    const rows = report.perClass.map(({ label, r2, mae, rmse }) => [
      label,
      r2?.toFixed(4) ?? '-',
      mae.toPrecision(4),
      rmse.toPrecision(4),
    ]);
    return [['number', 'R²', 'MAE', 'RMSE'], ...rows];
  }
  const rows = report.perClass.map(({ label, precision, recall, f1, support, ...more }) => [
    clip(label),
    // Of a class without examples they say nothing of the model.
    ...[precision, recall, f1].map((share) => (support === 0 ? '-' : formatShare(share))),
    support,
    ...('ece' in more ? [more.ece.toFixed(4)] : []),
  ]);
  const head = ['class', 'precision', 'recall', 'F1', 'examples'];
  return [[...head, ...(report.task === 'multi' ? ['ECE'] : [])], ...rows];
}

/** A long name would push the figures of all classes out of sight. */
const clip = (name: string): string => shortenText(name, 60);
