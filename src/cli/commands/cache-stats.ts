import { defineCommand } from '../define-command.js';
import { formatBytes, formatSeconds, formatShare } from '../format-text.js';
import { cacheFolderOption } from '../shared-options.js';

export const cacheStatsCommand = defineCommand({
  command: 'stats',
  describe: 'Sums over all stores: sizes, hit rate, time saved',
  options: cacheFolderOption,
  example: ['cache stats', 'what the cache costs and what it saved'],
  async run(args, output) {
    const { cacheStats } = await import('../../pipeline/maintain-cache.js');
    const stats = await cacheStats(args);
    const free = stats.freeBytes === null ? '' : `, ${formatBytes(stats.freeBytes)} free on the disk`;
    const lines = [
      `${stats.rows} rows in ${stats.shards} shards of ${stats.stores} stores, ${formatBytes(stats.sizeBytes)}${free}`,
      `${stats.damaged} damaged files`,
      stats.hitRate === null
        ? 'No run is recorded.'
        : `${stats.runs} runs: ${stats.cached} rows from the cache, ${stats.computed} computed (hit rate ${formatShare(stats.hitRate)})`,
      ...(stats.savedSeconds === null || stats.cached === 0
        ? []
        : [`about ${formatSeconds(stats.savedSeconds)} saved`]),
      stats.cache,
    ];
    output.result(stats, lines.join('\n'));
  },
});
