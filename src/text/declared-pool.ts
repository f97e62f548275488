/**
 * What the folder of a model says of how one vector is made of its tokens: the `1_Pooling/config.json` of
 * sentence-transformers, with which the model was trained.
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { GraftError, messageOf } from '../errors.js';
import type { Pool } from '../graph/pool-features.js';
import { besideModel } from './find-tokenizer.js';

const pools: Readonly<Record<string, Pool>> = { cls: 'cls', mean: 'mean', max: 'max', lasttoken: 'last' };
/** One flag each, as long as several could be joined; `pooling_mode` names them since. */
const flags: Readonly<Record<string, string>> = {
  pooling_mode_cls_token: 'cls',
  pooling_mode_mean_tokens: 'mean',
  pooling_mode_max_tokens: 'max',
  pooling_mode_lasttoken: 'lasttoken',
  pooling_mode_mean_sqrt_len_tokens: 'mean_sqrt_len_tokens',
  pooling_mode_weightedmean_tokens: 'weightedmean',
};

/**
 * @returns undefined where nothing is said, or a pooling that is not known here
 * @throws GraftError INVALID_MODEL for a file that is no JSON
 */
export async function declaredPool(modelPath: string): Promise<Pool | undefined> {
  const file = besideModel(modelPath, '1_Pooling/config.json').find((place) => existsSync(place));
  if (file === undefined) return undefined;
  let config: Readonly<Record<string, unknown>> | null;
  try {
    config = JSON.parse(await readFile(file, 'utf8')) as typeof config;
  } catch (error) {
    throw new GraftError(
      'INVALID_MODEL',
      `${file}, which says how ${path.basename(modelPath)} pools its tokens, cannot be read: ${messageOf(error)}. Mend or remove it, or name the pooling with --pool.`,
      { cause: error },
    );
  }
  const { pooling_mode: named } = config ?? {};
  const flagged = Object.keys(flags).filter((flag) => config?.[flag] === true);
  const modes: readonly unknown[] = named === undefined ? flagged.map((flag) => flags[flag]) : [named].flat();
  return modes.length === 1 && typeof modes[0] === 'string' ? pools[modes[0]] : undefined;
}
