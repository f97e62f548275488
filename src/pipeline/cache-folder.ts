import { homedir } from 'node:os';
import path from 'node:path';
import { GraftError } from '../errors.js';
import { makeFolder } from '../write-durably.js';

/** Where features and fetched backbones live unless told: $GRAFT_CACHE, else $XDG_CACHE_HOME/graft, else ~/.cache/graft. */
export function cacheFolder(named?: string): string {
  if (named !== undefined) return path.resolve(named);
  if (process.env.GRAFT_CACHE) return path.resolve(process.env.GRAFT_CACHE);
  return path.join(process.env.XDG_CACHE_HOME || path.join(homedir(), '.cache'), 'graft');
}

/**
 * That there is one, or can be.
 * @throws GraftError FILE_UNWRITABLE that names the flag: in what is made below it nobody would look for that.
 */
export async function makeCacheFolder(named?: string): Promise<void> {
  try {
    await makeFolder(cacheFolder(named));
  } catch (error) {
    if (!(error instanceof GraftError)) throw error;
    throw new GraftError(
      error.code,
      `${error.message.replace(/\.$/, '')}: it is the folder of the cache, named by --cache DIR or $GRAFT_CACHE.`,
      { cause: error },
    );
  }
}

/** The folder of models that go by name. */
export function backbonesFolder(named?: string): string {
  return path.join(cacheFolder(named), 'backbones');
}

/** The folder of the feature stores. */
export function featuresFolder(named?: string): string {
  return path.join(cacheFolder(named), 'features');
}
