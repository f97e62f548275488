import type { ViewReport } from '../../pipeline/cache-views.js';
import { defineCommand } from '../define-command.js';
import { formatSeconds } from '../format-text.js';
import { goesOn } from '../output.js';
import { refuseIdle } from '../refuse-idle.js';
import { integer, positiveInteger } from '../numeric-options.js';
import { backboneOptions, cacheOptions, dataOptions, deviceOptions } from '../shared-options.js';
import { viewOptions } from '../training-options.js';
import { cacheExportCommand } from './cache-export.js';
import { cacheLsCommand } from './cache-ls.js';
import { cachePruneCommand } from './cache-prune.js';
import { cacheStatsCommand } from './cache-stats.js';
import { cacheVerifyCommand } from './cache-verify.js';

export const cacheCommand = defineCommand({
  command: 'cache',
  farewell: goesOn,
  describe: 'Compute the features that are not cached yet; manage the cache',
  options: {
    ...backboneOptions,
    ...dataOptions,
    ...cacheOptions,
    ...deviceOptions,
    ...viewOptions,
    batch: { ...positiveInteger('batch'), describe: 'Examples per run of the backbone' },
    seed: {
      ...integer('seed'),
      describe: 'Of graft train, for shared configurations; features do not depend on it',
    },
    shard: {
      type: 'string',
      requiresArg: true,
      describe: 'Part i/n of the data set, from 1/n to n/n [default: of the Slurm or Kubernetes array job]',
    },
  } as const,
  subcommands: [cacheLsCommand, cacheStatsCommand, cacheVerifyCommand, cachePruneCommand, cacheExportCommand],
  example: ['cache --backbone model.onnx --data photos', 'features of every photo, once'],
  async run(args, output, isGiven) {
    refuseIdle(isGiven);
    const [
      { cacheFeatures },
      { cacheViews, checkViewOptions, rowsToView },
      { parseShard, shardOfScheduler },
    ] = await Promise.all([
      import('../../pipeline/cache-features.js'),
      import('../../pipeline/cache-views.js'),
      import('../../pipeline/choose-shard.js'),
    ]);
    const scheduled = args.shard === undefined ? shardOfScheduler(process.env) : undefined;
    const shard = args.shard === undefined ? scheduled?.shard : parseShard(args.shard);
    if (scheduled && shard) {
      output.logger.info(
        `Part ${shard.index} of ${shard.count} of the data set, by ${scheduled.source}; --shard 1/1 takes all of it.`,
      );
    }
    const onProgress = await output.progress('features', 'examples');
    const options = { ...args, shard, backboneBatch: args.batch, listsSkipped: true };
    await checkViewOptions(options);
    const cached = await cacheFeatures(options, { ...output, onProgress });
    const [viewed] = args.views
      ? await cacheViews([cached], rowsToView(cached), options, { ...output, onProgress })
      : [];
    const views = viewed?.report;
    const { report } = cached;
    const part = shard && shard.count > 1 ? ` (part ${shard.index} of ${shard.count})` : '';
    // A part of many may hold nothing but broken ones; a data set of which nothing is left is no use.
    if (part === '') {
      const { assertSomeUsable } = await import('../../pipeline/assert-some-usable.js');
      assertSomeUsable(report, args.data);
    }
    const { describeSkipped } = await import('../describe-skipped.js');
    const lines = [
      `${report.examples} examples${part}: ${report.cached} cached, ${report.computed} computed in ` +
        `${formatSeconds(report.seconds)} (${report.examplesPerSecond.toFixed(1)}/s), ${report.skipped.length} skipped`,
      ...describeSkipped(report.skipped),
      `layer ${report.layer}, ${report.dim} numbers each`,
      report.store,
      ...(views ? [describeViews(views)] : []),
    ];
    output.result({ ...report, ...(views && { views }) }, lines.join('\n'));
  },
});

/** One line. */
function describeViews({ stores, examples, cached, computed, seconds }: ViewReport): string {
  return `${stores.length} views of ${examples} examples: ${cached} cached, ${computed} computed in ${formatSeconds(seconds)}`;
}
