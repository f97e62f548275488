import { GraftError } from '../../errors.js';
import { defineCommand } from '../define-command.js';
import { formatBytes } from '../format-text.js';
import { backboneOptions, cacheOptions, dataOptions, deviceOptions } from '../shared-options.js';

/** Flags with a default: whether they were given is known here alone. */
const ofComputing = ['dtype', 'rehash', 'on-error', 'device', 'threads', 'header'];

export const cacheExportCommand = defineCommand({
  command: 'export',
  describe: 'Write features for other tools: NumPy, Parquet, Hugging Face datasets, safetensors',
  options: {
    ...backboneOptions,
    backbone: { ...backboneOptions.backbone, demandOption: false },
    ...dataOptions,
    data: { ...dataOptions.data, demandOption: false },
    store: {
      type: 'string',
      requiresArg: true,
      describe: 'In place of backbone and data: all rows of the store whose key starts so, without labels',
    },
    format: {
      choices: ['npy', 'parquet', 'huggingface', 'safetensors'],
      describe:
        'npy and huggingface write a folder, parquet and safetensors a file [default: by the end of --out]',
    },
    out: { type: 'string', demandOption: true, requiresArg: true, describe: 'File or folder to write' },
    ...cacheOptions,
    ...deviceOptions,
  } as const,
  example: [
    'cache export --backbone model.onnx --data photos --format parquet --out features.parquet',
    'paths, labels and features of every photo',
  ],
  async run(args, output, isGiven) {
    const { exportFeatures, notOfStore } = await import('../../pipeline/export-features.js');
    const stray = args.store === undefined ? undefined : ofComputing.find(isGiven);
    if (stray !== undefined) throw notOfStore(stray);
    const onProgress = await output.progress('features', 'examples');
    const report = await exportFeatures(
      { ...args, format: args.format ?? formatOf(args.out) },
      { ...output, onProgress },
    );
    const lines = [
      `${report.rows} rows of ${report.dim} numbers, ${formatBytes(report.bytes)}`,
      ...report.files,
    ];
    output.result(report, lines.join('\n'));
  },
});

function formatOf(out: string): 'parquet' | 'safetensors' {
  const format = (['parquet', 'safetensors'] as const).find((each) => out.endsWith(`.${each}`));
  if (format) return format;
  throw new GraftError(
    'USAGE',
    `Expected --format npy, parquet, huggingface or safetensors, or an --out that ends in .parquet or .safetensors, but received "${out}".`,
  );
}
