import { homedir } from 'node:os';
import path from 'node:path';

/** Where features and fetched backbones live unless told: $GRAFT_CACHE, else $XDG_CACHE_HOME/graft, else ~/.cache/graft. */
export function cacheFolder(named?: string): string {
  if (named !== undefined) return path.resolve(named);
  if (process.env.GRAFT_CACHE) return path.resolve(process.env.GRAFT_CACHE);
  return path.join(process.env.XDG_CACHE_HOME || path.join(homedir(), '.cache'), 'graft');
}

/** The folder of models that go by name. */
export function backbonesFolder(named?: string): string {
  return path.join(cacheFolder(named), 'backbones');
}

/** The folder of the feature stores. */
export function featuresFolder(named?: string): string {
  return path.join(cacheFolder(named), 'features');
}
