import { homedir, userInfo } from 'node:os';
import path from 'node:path';
import { GraftError } from '../errors.js';
import { inFolder } from '../write-durably.js';

/** Where features and fetched backbones live unless told: $GRAFT_CACHE, else $XDG_CACHE_HOME/graft, else ~/.cache/graft. @throws GraftError USAGE where there is no home */
export function cacheFolder(named?: string): string {
  if (named !== undefined) return path.resolve(named);
  if (process.env.GRAFT_CACHE) return path.resolve(process.env.GRAFT_CACHE);
  return path.join(process.env.XDG_CACHE_HOME || path.join(home(), '.cache'), 'graft');
}

/**
 * What is written into it, for which it is made where it is missing; where that fails it does not stay empty.
 * @throws GraftError FILE_UNWRITABLE that names the flag: in what is made below it nobody would look for that.
 */
export async function inCacheFolder<T>(named: string | undefined, write: () => Promise<T>): Promise<T> {
  let isThere = false;
  try {
    return await inFolder(cacheFolder(named), () => {
      isThere = true;
      return write();
    });
  } catch (error) {
    if (isThere || !(error instanceof GraftError)) throw error;
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

/**
 * An empty $HOME, as some services start with, is taken for none: the cache would lie in whatever folder one stands in.
 * @throws GraftError USAGE where there is none, as in a container whose user has no name
 */
function home(): string {
  try {
    return homedir() || userInfo().homedir;
  } catch (error) {
    throw new GraftError(
      'USAGE',
      'This user has no home folder that the cache could be in; name a folder with --cache or $GRAFT_CACHE.',
      { cause: error },
    );
  }
}
