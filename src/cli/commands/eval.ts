import { defineCommand } from '../define-command.js';
import { describeScore } from '../../tasks/describe-score.js';
import { formatShare, formatTable } from '../output.js';
import { dataOptions, deviceOptions, modelOption, onErrorOption } from '../shared-options.js';

export const evalCommand = defineCommand({
  command: 'eval',
  describe: 'Measure an exported file on a labelled data set',
  options: {
    ...modelOption,
    ...dataOptions,
    split: { choices: ['train', 'validation', 'test'], describe: 'Only this part of the data set' },
    ...onErrorOption,
    ...deviceOptions,
  } as const,
  example: ['eval --model model.onnx --data photos/test', 'accuracy, F1, calibration'],
  async run(args, output) {
    const { evaluateModel } = await import('../../pipeline/evaluate-model.js');
    const onProgress = await output.progress('images', 'images');
    const report = await evaluateModel(args, { ...output, onProgress });
    const summary =
      `${report.examples} images  ${describeScore(report)}` +
      (report.ece === undefined ? '' : `  ECE ${report.ece.toFixed(4)}`) +
      `  skipped ${report.skipped.length}`;
    const rows = (report.perClass ?? []).map(({ label, precision, recall, f1, support }) => [
      label,
      formatShare(precision),
      formatShare(recall),
      formatShare(f1),
      support,
    ]);
    output.result(
      report,
      rows.length === 0
        ? summary
        : `${summary}\n\n${formatTable([['class', 'precision', 'recall', 'F1', 'images'], ...rows])}`,
    );
  },
});
