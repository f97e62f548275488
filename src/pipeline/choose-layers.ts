/** Which feature layers `graft tune --layers` compares. */
import { GraftError } from '../errors.js';
import { silentLogger } from '../logger.js';
import { exampleDims } from '../models/input-spec.js';
import { declaredPool } from '../text/declared-pool.js';
import { listFeatureLayers } from './analyse-model.js';
import { backbonesFolder } from './cache-folder.js';
import type { CacheOptions } from './cache-features.js';
import { prepareBackbone } from './prepare-backbone.js';
import type { LayerChoice } from './prepare-layers.js';

/** How far before the recommended layer those lie that `auto` compares it with, in layers of `graft inspect`. */
const steps = [4, 2, 1];
/** Features beyond which a layer is left out of `auto`. */
const mostFeatures = 8192;

export interface ComparedLayer extends LayerChoice {
  readonly reason: string;
}

/**
 * `auto`: the recommended layer and those 1, 2 and 4 before it in the order of the graph, the earliest first. A list is
 * taken as it is.
 * @throws GraftError UNKNOWN_VALUE for a name that the model does not hold, USAGE for one that stands there twice.
 */
export async function chooseLayers(
  layers: 'auto' | readonly string[],
  options: CacheOptions,
): Promise<ComparedLayer[]> {
  if (layers !== 'auto') {
    const twice = layers.find((layer, i) => layers.indexOf(layer) !== i);
    if (twice !== undefined)
      throw new GraftError('USAGE', `Expected each layer once in --layers but ${twice} is there twice.`);
    return layers.map((layer) => ({ layer, pool: options.pool, reason: 'named' }));
  }
  const folder = backbonesFolder(options.cache);
  const { model, input, path } = await prepareBackbone(
    { ...options, layer: undefined },
    { folder, logger: silentLogger },
  );
  const listed = await listFeatureLayers(model, {
    inputDims: exampleDims(input),
    tokenPool: await declaredPool(path),
  });
  const last = listed.findIndex(({ recommended }) => recommended);
  return [...steps, 0]
    .map((back) => listed[last - back])
    .filter((layer) => layer !== undefined && (layer.recommended || layer.dim <= mostFeatures))
    .map((layer) => ({ layer: layer!.name, pool: options.pool ?? layer!.pool, reason: layer!.reason }));
}
