import { defineCommand } from '../define-command.js';
import { formatSeconds } from '../output.js';
import {
  backboneOptions,
  cacheOptions,
  dataOptions,
  deviceOptions,
  positiveInteger,
} from '../shared-options.js';

export const cacheCommand = defineCommand({
  command: 'cache',
  describe: 'Compute the features that are not cached yet',
  options: {
    ...backboneOptions,
    ...dataOptions,
    ...cacheOptions,
    ...deviceOptions,
    batch: { ...positiveInteger('batch'), describe: 'Images a run of the backbone' },
  } as const,
  example: ['cache --backbone model.onnx --data photos', 'features of every photo, once'],
  async run(args, output) {
    const { cacheFeatures } = await import('../../pipeline/cache-features.js');
    const onProgress = await output.progress('features', 'images');
    const { report } = await cacheFeatures({ ...args, backboneBatch: args.batch }, { ...output, onProgress });
    const lines = [
      `${report.examples} examples: ${report.cached} cached, ${report.computed} computed in ` +
        `${formatSeconds(report.seconds)} (${report.examplesPerSecond.toFixed(1)}/s), ${report.skipped.length} skipped`,
      ...report.skipped.map(({ path, reason }) => `  skipped ${path}: ${reason}`),
      `layer ${report.layer}, ${report.dim} numbers each`,
      report.store,
    ];
    output.result(report, lines.join('\n'));
  },
});
