import type { ExportReport } from '../../pipeline/export-run.js';
import { exportFormats } from '../../models/export-format.js';
import { modelPrecisions } from '../../models/model-precision.js';
import { defineCommand } from '../define-command.js';
import { formatBytes } from '../format-text.js';
import { mergedBackboneOptions, runOption } from '../shared-options.js';

export const exportCommand = defineCommand({
  command: 'export',
  describe: 'Write the merged ONNX file of a run, verified',
  options: {
    ...runOption,
    out: {
      type: 'string',
      demandOption: true,
      requiresArg: true,
      describe: 'ONNX file to write, or the folder of --format huggingface',
    },
    format: {
      choices: exportFormats,
      default: 'onnx',
      describe: 'huggingface: a folder that transformers.js and Optimum load',
    },
    precision: {
      choices: modelPrecisions,
      default: 'float32',
      describe: 'Number type of the backbone or of its weights; int8 quarters the file',
    },
    pixels: {
      type: 'boolean',
      default: false,
      describe: 'The file takes 8-bit pixels of any size, and resizes and normalises them itself',
    },
    'external-data': {
      type: 'boolean',
      default: false,
      describe: 'Weights in a separate file beside the model [always beyond 2 GiB]',
    },
    ...mergedBackboneOptions,
  } as const,
  example: ['export --run runs/a --out model.onnx', 'one file: pixels in, probabilities out'],
  async run(args, output) {
    const { exportRun } = await import('../../pipeline/export-run.js');
    const report = await exportRun(args, output);
    output.result(report, describeExport(report));
  },
});

export function describeExport({ model, bytes, verified, folder, files }: ExportReport): string {
  const lines = [`${model}  ${formatBytes(bytes)}`, describeVerification(verified)];
  if (folder !== undefined) lines.push(`${folder} holds ${files?.join(', ')}`);
  return lines.join('\n');
}

function describeVerification({ providers, maxAbsDiff, examples }: ExportReport['verified']): string {
  const names = providers
    .map(({ name, examples: few }) => (few === undefined ? name : `${name} (${few} examples)`))
    .join(', ');
  const { meanAbsDiff, agreement } = providers[0]!;
  if (meanAbsDiff === undefined)
    return `verified on ${names}: differs from backbone + head by at most ${maxAbsDiff.toExponential(1)} over ${examples} examples`;
  const answers =
    agreement === undefined
      ? ''
      : `${Math.round(agreement * examples)} of ${examples} answers are those of backbone + head; `;
  return (
    `verified on ${names}: ${answers}outputs differ by ${meanAbsDiff.toExponential(1)} on average, ` +
    `${maxAbsDiff.toExponential(1)} at most`
  );
}
