/** The features that candidates of a search stand on: of one layer or several, or made elsewhere. */
import { createHash } from 'node:crypto';
import { sayShareUnused } from '../dataset/say-share-unused.js';
import { GraftError } from '../errors.js';
import { silentLogger } from '../logger.js';
import type { TaskKind } from '../tasks/task.js';
import { splitList } from '../split-list.js';
import type { AnyFeatureSet } from '../train/feature-set.js';
import {
  cacheFeatures,
  cacheLayers,
  type CachedFeatures,
  type CacheOptions,
  type Hooks,
} from './cache-features.js';
import { addViews, type CachedViews, cacheViews, checkViewOptions, type ViewOptions } from './cache-views.js';
import { chooseLayers } from './choose-layers.js';
import { openFeatureFile } from './feature-file.js';
import { loadFeatureParts, openFeatureParts } from './feature-parts.js';
import { prepareBackbone } from './prepare-backbone.js';
import { prepareTail } from './prepare-tail.js';
import { type Parts, splitFeatures, type SplitOptions } from './split-features.js';
import { staysOnDisk } from './stays-on-disk.js';

export interface Place {
  readonly layer: string;
  readonly pool: string;
  readonly dim: number;
  /** Why it is compared. */
  readonly reason: string;
  /** The training part, in all its views; the rows are the same in all places. */
  readonly train: AnyFeatureSet;
  readonly task: TaskKind;
  /** For each row what must stay with it in one fold; undefined where each stands alone. */
  readonly groups: Int32Array | undefined;
  /** Changes where the features or the labels do. */
  readonly identity: string;
  /** Closes what streamed features are read from. */
  close(): Promise<void>;
}

export type PlaceOptions = SplitOptions & { readonly layers?: string | undefined } & (
    (CacheOptions & ViewOptions) | { readonly features: string; readonly task?: TaskKind | undefined }
  );

/**
 * Several layers are cached in one pass of the backbone.
 * @param unfrozen - layers after which training is to begin later: what cannot be cut there is refused before anything is
 *   computed
 */
export async function loadPlaces(
  options: PlaceOptions,
  hooks: Hooks,
  unfrozen: readonly string[] = [],
): Promise<Place[]> {
  const { layers } = options;
  if ('features' in options) {
    if (layers !== undefined)
      throw new GraftError('USAGE', '--layers needs a backbone, but --features stands in its place.');
    return [await loadFile(options.features, options, hooks)];
  }
  await checkViewOptions(options);
  if (layers === undefined) {
    const cached = await cacheFeatures(options, hooks, async (given, context) => {
      const backbone = await prepareBackbone(given, context);
      for (const layer of unfrozen) await prepareTail(backbone, layer);
      return backbone;
    });
    const reason = options.layer === undefined ? 'recommended' : 'named';
    return placesOf([cached], [reason], options, hooks);
  }
  if (options.layer !== undefined)
    throw new GraftError('USAGE', 'Expected --layer or --layers but received both.');
  const compared = await chooseLayers(layers === 'auto' ? 'auto' : splitList('layers', layers), options);
  const cached = await cacheLayers({ ...options, layers: compared }, hooks);
  return placesOf(
    cached,
    compared.map(({ reason }) => reason),
    options,
    hooks,
  );
}

async function placesOf(
  cached: readonly CachedFeatures[],
  reasons: readonly string[],
  options: SplitOptions & CacheOptions & ViewOptions,
  hooks: Hooks,
): Promise<Place[]> {
  const parts: Parts[] = [];
  const count = cached.reduce(
    (sum, { backbone, dataset }) => sum + dataset.examples.length * backbone.dim,
    0,
  );
  const stream = staysOnDisk(options, count, hooks.logger);
  for (const each of cached) parts.push(await splitFeatures(each, { ...options, stream }));
  const { rows } = parts[0]!;
  const views = options.views ? await cacheViews(cached, rows.train, options, hooks) : [];
  const places: Place[] = [];
  for (const [i, each] of cached.entries())
    places.push(await placeOf(each, parts[i]!, views[i], reasons[i]!));
  return places;
}

async function placeOf(
  cached: CachedFeatures,
  parts: Parts,
  views: CachedViews | undefined,
  reason: string,
): Promise<Place> {
  const { layer, pool, dim } = cached.backbone;
  const { trainGroups: groups, close } = parts;
  const { task } = cached.dataset;
  const { labels, targets } = parts.train;
  const identity = createHash('sha256').update(cached.store.folder).update(cached.keys).update(labels);
  if (targets) identity.update(targets);
  for (const { folder } of views?.stores ?? []) identity.update(folder);
  const train = views ? await addViews(parts, cached, views) : parts.train;
  return { layer, pool, dim, reason, train, task, groups, identity: identity.digest('hex'), close };
}

async function loadFile(
  name: string,
  options: SplitOptions & { readonly task?: TaskKind | undefined },
  { logger = silentLogger }: Hooks,
): Promise<Place> {
  const file = await openFeatureFile(name, options);
  try {
    if (file.isGiven)
      sayShareUnused(options.validation, { where: file.path, count: file.validation.length }, logger);
    const isStreamed = staysOnDisk(options, file.rows * file.dim, logger);
    const { train } = isStreamed ? openFeatureParts(file) : await loadFeatureParts(file);
    if (!isStreamed) await file.close();
    return {
      layer: name,
      pool: 'none',
      dim: file.dim,
      reason: 'made elsewhere',
      train,
      task: options.task ?? 'single',
      groups: file.trainGroups,
      identity: file.fingerprint,
      // In memory, it is closed by then.
      close: isStreamed ? () => file.close() : async () => {},
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}
