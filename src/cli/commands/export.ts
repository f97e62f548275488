import type { ExportReport } from '../../pipeline/export-run.js';
import { defineCommand } from '../define-command.js';
import { backboneOptions, runOption } from '../shared-options.js';

export const exportCommand = defineCommand({
  command: 'export',
  describe: 'Write the merged ONNX file of a run, verified',
  options: {
    ...runOption,
    out: { type: 'string', demandOption: true, requiresArg: true, describe: 'ONNX file to write' },
    ...backboneOptions,
    backbone: {
      type: 'string',
      requiresArg: true,
      describe:
        'For a run on --features: the backbone that makes them, to be merged [default: the head alone]',
    },
  } as const,
  example: ['export --run runs/a --out model.onnx', 'one file: pixels in, probabilities out'],
  async run(args, output) {
    const { exportRun } = await import('../../pipeline/export-run.js');
    const report = await exportRun(args, output);
    output.result(report, describeExport(report));
  },
});

export function describeExport({ model, bytes, verified }: ExportReport): string {
  const providers = verified.providers.map(({ name }) => name).join(', ');
  return (
    `${model}  ${(bytes / 2 ** 20).toFixed(2)} MiB\n` +
    `verified on ${providers}: differs from backbone + head by at most ${verified.maxAbsDiff.toExponential(1)} over ${verified.examples} examples`
  );
}
