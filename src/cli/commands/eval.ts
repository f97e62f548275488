import { GraftError } from '../../errors.js';
import type { Hooks } from '../../pipeline/cache-features.js';
import type { EvaluateFeaturesOptions } from '../../pipeline/evaluate-features.js';
import type { EvaluateOptions, EvaluationReport } from '../../pipeline/evaluate-model.js';
import { shortenText } from '../../shorten-text.js';
import { describeMetrics } from '../describe-metrics.js';
import { defineCommand } from '../define-command.js';
import { describeSkipped } from '../describe-skipped.js';
import { formatShare, formatTable } from '../format-text.js';
import { refuseBesideFeatures } from '../refuse-beside-features.js';
import {
  dataOptions,
  deviceOptions,
  exampleBatchOption,
  featuresOption,
  modelOption,
  onErrorOption,
} from '../shared-options.js';

export const evalCommand = defineCommand({
  command: 'eval',
  describe: 'Measure an exported file on a labelled data set',
  options: {
    ...modelOption,
    ...dataOptions,
    // Not demanded by itself: --features may stand in its place.
    data: { ...dataOptions.data, demandOption: false },
    features: {
      ...featuresOption.features,
      describe: 'Features made elsewhere and their labels, in place of --data: for a head alone',
    },
    split: { choices: ['train', 'validation', 'test'], describe: 'Only this part of the data set' },
    ...exampleBatchOption,
    ...onErrorOption,
    ...deviceOptions,
  } as const,
  example: ['eval --model model.onnx --data photos/test', 'accuracy, F1, calibration'],
  async run(args, output, isGiven) {
    const { features } = args;
    if (features !== undefined) refuseBesideFeatures(isGiven);
    const evaluate =
      features === undefined ? await onExamples(args) : await onFeatures({ ...args, features });
    const onProgress = await output.progress('examples', 'examples');
    const report = await evaluate({ ...output, onProgress });
    output.result(report, describeEvaluation(report));
  },
});

type Evaluate = (hooks: Hooks) => Promise<EvaluationReport>;

async function onExamples(
  args: Omit<EvaluateOptions, 'data'> & { readonly data?: string | undefined },
): Promise<Evaluate> {
  const { data } = args;
  if (data === undefined) throw new GraftError('USAGE', 'Missing: --data (or --features in its place).');
  const { evaluateModel } = await import('../../pipeline/evaluate-model.js');
  return (hooks) => evaluateModel({ ...args, data }, hooks);
}

async function onFeatures(args: EvaluateFeaturesOptions): Promise<Evaluate> {
  const { evaluateFeatures } = await import('../../pipeline/evaluate-features.js');
  return (hooks) => evaluateFeatures(args, hooks);
}

/** The figures, a table of the classes, the classes taken for another. */
function describeEvaluation(report: EvaluationReport): string {
  const skipped = report.skipped.length > 0 ? `, ${report.skipped.length} left out` : '';
  const parts = [
    [
      `${report.examples} examples${skipped}`,
      ...describeSkipped(report.skipped),
      `loss  ${report.loss.toFixed(4)}`,
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
      r2.toFixed(4),
      mae.toPrecision(4),
      rmse.toPrecision(4),
    ]);
    return [['number', 'R²', 'MAE', 'RMSE'], ...rows];
  }
  const rows = report.perClass.map(({ label, precision, recall, f1, support, ...more }) => [
    clip(label),
    formatShare(precision),
    formatShare(recall),
    formatShare(f1),
    support,
    ...('ece' in more ? [more.ece.toFixed(4)] : []),
  ]);
  const head = ['class', 'precision', 'recall', 'F1', 'examples'];
  return [[...head, ...(report.task === 'multi' ? ['ECE'] : [])], ...rows];
}

/** A long name would push the figures of all classes out of sight. */
const clip = (name: string): string => shortenText(name, 60);
