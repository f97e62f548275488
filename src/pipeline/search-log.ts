/** What a search has found so far, on disk, so that one that was stopped goes on where it was. */
import { readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { GraftError } from '../errors.js';
import type { Judged, LayerCandidate } from '../train/candidate.js';
import { makeFolder, writeDurably } from '../write-durably.js';

export interface SearchLog {
  find(candidate: LayerCandidate): Judged<LayerCandidate> | undefined;
  add(judged: readonly Judged<LayerCandidate>[]): Promise<void>;
  remove(): Promise<void>;
}

/**
 * A file of another search, or a damaged one, counts as none.
 * @param key - what the results depend on, beside the candidate
 * @param options - `resume`: false passes over what there is, true wants something
 * @throws GraftError USAGE where there is nothing to go on with
 */
export async function openLog(
  file: string,
  key: string,
  { resume }: { readonly resume?: boolean | undefined } = {},
): Promise<SearchLog> {
  let known: Judged<LayerCandidate>[] = [];
  try {
    const saved = JSON.parse(await readFile(file, 'utf8')) as {
      key: string;
      judged: Judged<LayerCandidate>[];
    };
    if (saved.key === key && resume !== false) known = saved.judged;
  } catch {
    // No earlier search.
  }
  if (resume && known.length === 0) {
    throw new GraftError(
      'USAGE',
      `There is no unfinished search with these settings and data in ${path.dirname(file)}; leave --resume out to search.`,
    );
  }
  return {
    find: (candidate) => known.find((result) => sameCandidate(result.candidate, candidate)),
    async add(judged) {
      known = [...known, ...judged];
      await makeFolder(path.dirname(file));
      await writeDurably(file, JSON.stringify({ key, judged: known }));
    },
    remove: () => rm(file, { force: true }),
  };
}

export function sameCandidate(a: LayerCandidate, b: LayerCandidate): boolean {
  const parts = ({ layer, pool, head, solver, l2, lr, weightDecay, seed, tail }: LayerCandidate) =>
    JSON.stringify([layer, pool, head, solver, l2, lr, weightDecay, seed, tail]);
  return parts(a) === parts(b);
}
