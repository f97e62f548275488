/** What is told of one store of the cache. */
import type { StoreSummary } from '../features/list-stores.js';
import { parseViewName } from '../features/feature-key.js';
import { nameAugment } from '../image/augment-spec.js';
import { quoteForShell } from '../quote-for-shell.js';

export interface CachedStore {
  readonly key: string;
  readonly folder: string;
  /** As the latest run named it; null where none was recorded. */
  readonly backbone: string | null;
  readonly data: string | null;
  /** null from here on where `store.json` is damaged. */
  readonly backboneSha256: string | null;
  readonly layer: string | null;
  readonly pool: string | null;
  readonly view: string | null;
  readonly dtype: string | null;
  readonly dim: number | null;
  readonly shards: number;
  readonly rows: number;
  readonly skipped: number;
  readonly damaged: number;
  readonly sizeBytes: number;
  /** ISO 8601. */
  readonly modified: string;
  readonly lastUsed: string;
  /** Days since the last use. */
  readonly ageDays: number;
  readonly runs: number;
  /** Share of the rows asked for that were there already; null where no run was recorded. */
  readonly hitRate: number | null;
}

export function describeStore(store: StoreSummary): CachedStore {
  const { key, folder, description, usage, modified, lastUsed } = store;
  const { shards, rows, skipped, damaged, sizeBytes } = store;
  const last = usage.at(-1);
  return {
    key,
    folder,
    backbone: last?.backbone ?? null,
    data: last?.data ?? null,
    backboneSha256: description?.backboneSha256 ?? null,
    layer: description?.layer ?? null,
    pool: description?.pool ?? null,
    view: description?.view ?? null,
    dtype: description?.dtype ?? null,
    dim: description?.dim ?? null,
    shards,
    rows,
    skipped,
    damaged,
    sizeBytes,
    modified: modified.toISOString(),
    lastUsed: lastUsed.toISOString(),
    ageDays: Math.max(0, (Date.now() - lastUsed.getTime()) / 86_400_000),
    runs: usage.length,
    hitRate: shareOf(
      usage.reduce((sum, run) => sum + run.cached, 0),
      usage.reduce((sum, run) => sum + run.computed, 0),
    ),
  };
}

/** The call that fills the store, as it was last made, ready to be pasted into a shell. */
export function commandFor({ usage, description }: StoreSummary): string | null {
  const last = usage.at(-1);
  if (!last || !description) return null;
  const { layer, pool, dtype, view } = description;
  const flags = Object.entries({
    backbone: last.backbone,
    layer,
    pool,
    dtype,
    data: last.data,
    ...viewFlags(view),
  });
  return ['graft cache', ...flags.map(([name, value]) => `--${name} ${quoteForShell(value)}`)].join(' ');
}

/** The first views up to this one: they are computed together. Of bounds that no name has, the file is for the reader to name. */
function viewFlags(view: string): Readonly<Record<string, string>> {
  const found = parseViewName(view);
  if (!found) return {};
  const augment = nameAugment(found.augment);
  return {
    views: String(found.number),
    'view-seed': String(found.seed),
    ...(augment !== '' && { augment: augment ?? 'BOUNDS.json' }),
  };
}

/** Share of the rows asked for that were there already; null of none. */
export function shareOf(cached: number, computed: number): number | null {
  return cached + computed > 0 ? cached / (cached + computed) : null;
}
