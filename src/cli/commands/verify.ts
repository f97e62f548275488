import { defineCommand } from '../define-command.js';
import { formatShare, formatTable } from '../format-text.js';
import { mergedBackboneOptions, modelOption, runOption } from '../shared-options.js';

export const verifyCommand = defineCommand({
  command: 'verify',
  describe: 'Compare an exported file with backbone and head on real examples',
  options: { ...modelOption, ...runOption, ...mergedBackboneOptions } as const,
  example: ['verify --model model.onnx --run runs/a', 'fails above a difference of 1e-4'],
  async run(args, output) {
    const { verifyRun } = await import('../../pipeline/verify-run.js');
    const report = await verifyRun(args, output);
    const rows = report.providers.map(({ name, maxAbsDiff, examples = report.examples, agreement }) => [
      ...[name, String(examples), maxAbsDiff.toExponential(2)],
      ...(agreement === undefined ? [] : [formatShare(agreement)]),
    ]);
    const titles = ['runs on', 'examples', 'largest difference'];
    if (rows.some(({ length }) => length > titles.length)) titles.push('same answers');
    output.result(report, formatTable([titles, ...rows]));
  },
});
