import { GraftError } from '../../errors.js';
import { defineCommand } from '../define-command.js';
import { formatAge, formatBytes, formatTable } from '../format-text.js';
import { nonNegative, wholeNumber } from '../numeric-options.js';
import { cacheFolderOption } from '../shared-options.js';

export const storesPositional = {
  type: 'string',
  array: true,
  describe: 'First digits of the keys of stores [default: all]',
} as const;

const options = {
  ...cacheFolderOption,
  'older-than': {
    ...nonNegative('older-than'),
    describe: 'Remove stores not used for this many days',
  },
  'max-size': {
    type: 'string',
    requiresArg: true,
    coerce: parseBytes,
    describe: 'Keep the most recently used stores that fit into this size: 500MB, 20GB',
  },
  keep: { ...wholeNumber('keep'), describe: 'Never remove this many most recently used stores' },
  yes: { type: 'boolean', default: false, describe: 'Remove; without it, only list what would go' },
} as const;

export const cachePruneCommand = defineCommand<typeof options, { stores?: string[] }>({
  command: 'prune [stores..]',
  describe: 'Remove stores by age, size or name; a dry run unless --yes',
  options,
  positionals: { stores: storesPositional },
  example: ['cache prune --older-than 30 --yes', 'removes what was not used for 30 days'],
  async run(args, output) {
    const { pruneCache } = await import('../../pipeline/maintain-cache.js');
    const report = await pruneCache({
      ...args,
      olderThanDays: args['older-than'],
      maxBytes: args['max-size'],
    });
    const { removed, memos, dryRun, freedBytes, keptBytes } = report;
    const rows = removed.map(({ key, layer, rows: count, sizeBytes, ageDays }) => [
      key.slice(0, 12),
      layer ?? '?',
      `${count} rows`,
      formatBytes(sizeBytes),
      formatAge(ageDays),
    ]);
    const what = `${removed.length} stores (${formatBytes(freedBytes)})`;
    const rest = `${formatBytes(keptBytes)} stay`;
    const lines = [
      ...(rows.length > 0 ? [formatTable(rows)] : []),
      dryRun
        ? `Would remove ${what}; ${rest}. Pass --yes to remove them.`
        : `Removed ${what} and ${memos.length} memos of hashes; ${rest}.`,
    ];
    output.result(report, lines.join('\n'));
  },
});

/** "20GB" → 20e9 bytes; KiB, MiB, GiB, TiB are powers of 1024. */
function parseBytes(given: unknown): number | undefined {
  // A flag that was given twice counts as it was given last.
  const text: unknown = Array.isArray(given) ? given.at(-1) : given;
  if (text === undefined) return undefined;
  const match = typeof text === 'string' ? /^\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?\s*$/i.exec(text) : null;
  if (!match) {
    throw new GraftError(
      'USAGE',
      `Expected a size such as 500MB or 20GB for --max-size but received ${JSON.stringify(text)}.`,
    );
  }
  const power = 'kmgt'.indexOf(match[2]!.toLowerCase()) + 1;
  return Number(match[1]) * (match[2] === '' ? 1 : (match[3] ? 1024 : 1000) ** power);
}
