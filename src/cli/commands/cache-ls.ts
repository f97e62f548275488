import { defineCommand } from '../define-command.js';
import { formatAge, formatBytes, formatShare, formatTable } from '../format-text.js';
import { cacheFolderOption } from '../shared-options.js';

export const cacheLsCommand = defineCommand({
  command: 'ls',
  describe: 'List the stores: what they hold, sizes, ages, hit rates',
  options: cacheFolderOption,
  example: ['cache ls', 'a line a store'],
  async run(args, output) {
    const { listCache } = await import('../../pipeline/maintain-cache.js');
    const list = await listCache(args);
    const head = [
      'key',
      'backbone',
      'layer',
      'pool',
      'view',
      'rows',
      'dim',
      'type',
      'size',
      'used',
      'hits',
      'damaged',
    ];
    const rows = list.stores.map((store) => [
      store.key.slice(0, 12),
      store.backbone?.split(/[/\\]/).at(-1) ?? store.backboneSha256?.slice(0, 12) ?? '?',
      store.layer ?? '?',
      store.pool ?? '?',
      store.view?.split(',')[0] ?? '?',
      store.rows,
      store.dim ?? '?',
      store.dtype ?? '?',
      formatBytes(store.sizeBytes),
      formatAge(store.ageDays),
      store.hitRate === null ? '-' : formatShare(store.hitRate),
      store.damaged,
    ]);
    const none = `No stores in ${list.cache}.`;
    output.result(list, rows.length > 0 ? `${formatTable([head, ...rows])}\n${list.cache}` : none);
  },
});
