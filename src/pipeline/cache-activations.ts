/** The activations at a cut, cached, and the layers after it that they are for. */
import { openRows, type RowReader } from '../features/row-reader.js';
import { silentLogger } from '../logger.js';
import type { ActivationSet } from '../train/row-source.js';
import { assessCost } from './activation-cost.js';
import { cacheFeatures, type CachedFeatures, type Hooks } from './cache-features.js';
import { prepareBackbone } from './prepare-backbone.js';
import { prepareTail, type UnfrozenBackbone } from './prepare-tail.js';
import type { PartRows } from './split-features.js';
import type { TrainOptions } from './training-run.js';

export interface CachedActivations {
  readonly cached: CachedFeatures;
  readonly unfrozen: UnfrozenBackbone;
  open(part: PartRows): Promise<ActivationSet>;
  /** Of what was opened. */
  close(): Promise<void>;
}

/**
 * What it costs is told and checked first.
 * @param unfreeze - value of the backbone after which layers are trained
 */
export async function cacheActivations(
  options: TrainOptions,
  unfreeze: string,
  hooks: Hooks,
): Promise<CachedActivations> {
  const { logger = silentLogger } = hooks;
  let unfrozen: UnfrozenBackbone | undefined;
  const cached = await cacheFeatures(options, hooks, async (given, context, examples) => {
    unfrozen = await prepareTail(await prepareBackbone(given, context), unfreeze);
    await assessCost(unfrozen, examples, options, logger);
    return unfrozen.frozen;
  });
  const opened: RowReader[] = [];
  return {
    cached,
    unfrozen: unfrozen!,
    async open({ targets, keys }) {
      const activations = await openRows(cached.store, keys);
      opened.push(activations);
      return { ...targets, activations };
    },
    close: async () => void (await Promise.all(opened.map((reader) => reader.close()))),
  };
}
