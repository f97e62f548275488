import { defineCommand } from '../define-command.js';
import { cacheFolderOption } from '../shared-options.js';
import { storesPositional } from './cache-prune.js';

const options = {
  ...cacheFolderOption,
  repair: { type: 'boolean', default: false, describe: 'Remove what is damaged' },
} as const;

export const cacheVerifyCommand = defineCommand<typeof options, { stores?: string[] }>({
  command: 'verify [stores..]',
  describe:
    'Read every byte of the stores and check it; status 1 where something is damaged or cannot be read',
  options,
  positionals: { stores: storesPositional },
  example: ['cache verify --repair', 'removes what is damaged, so that the next run computes it again'],
  async run(args, output) {
    const { verifyCache } = await import('../../pipeline/maintain-cache.js');
    const verification = await verifyCache(args, output);
    const { stores, damaged, unreadable, removed } = verification;
    const lines = stores.map(
      (store) =>
        `${store.key.slice(0, 12)}  ${store.shards} whole ${store.shards === 1 ? 'shard' : 'shards'} with ${store.rows} rows`,
    );
    for (const store of stores) {
      for (const { reason } of store.unreadable) lines.push(`not checked: ${reason}`);
      for (const { reason } of store.damaged) lines.push(`damaged: ${reason}`);
      if (store.damaged.length === 0) continue;
      const what = args.repair ? 'Removed. Compute the lost rows again' : 'To compute the lost rows again';
      lines.push(`  ${what}: ${store.remedy ?? 'graft cache with its backbone and data'}`);
    }
    if (damaged > 0 && !args.repair) lines.push('graft cache verify --repair removes what is damaged.');
    if (stores.length === 0) lines.push(`No stores in ${verification.cache}.`);
    output.result(verification, lines.join('\n'));
    if (damaged + unreadable > removed.length) process.exitCode = 1;
  },
});
