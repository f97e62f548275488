/**
 * `graft tune`: caches the features of one layer or several, judges candidates by cross-validation, trains the one that
 * is kept on all training data as `graft train` does, and writes what was found into the run folder.
 */
import path from 'node:path';
import { sayOnce } from '../logger.js';
import { flat } from '../train/candidate.js';
import { writeDurably } from '../write-durably.js';
import { assertSearchable } from './assert-searchable.js';
import { checkRunOptions, searchedOptions } from './check-options.js';
import { loadPlaces } from './load-places.js';
import { assertViewable } from './refuse-options.js';
import { assertWritableFolder, runFiles } from './run-folder.js';
import { spareFolder } from './spare-inputs.js';
import { parseGrid } from './search-grid.js';
import { searchPlaces } from './search-places.js';
import { trainRun } from './train-run.js';
import type { TrainedRun } from './training-run.js';
import { trainingOf } from './training-of-candidate.js';
import { drawPlots } from './tune-plots.js';
import { parseTailGrid } from './tune-tails.js';
import type { TuneHooks, TuneOptions, TuneReport } from './tuning-run.js';

/** For a list of all candidates before the data are known: numbers that depend on the rows do not matter then. */
const fewestRows = 100;

export async function tuneRun(
  options: TuneOptions,
  given: TuneHooks = {},
): Promise<{ report: TuneReport; cache: TrainedRun['cache'] }> {
  checkRunOptions(options, searchedOptions);
  // The search and the training of what it found read the same data with the same backbone.
  const hooks = { ...given, ...(given.logger && { logger: sayOnce(given.logger) }) };
  const space = { grid: parseGrid(options), tails: parseTailGrid(options) };
  assertViewable(options);
  const folder = path.resolve(options.out);
  await spareFolder(folder, options);
  await assertWritableFolder(folder);
  const validation = await assertSearchable(options, space.grid(fewestRows));
  const unfrozen = new Set(space.tails.map(({ unfreeze }) => unfreeze));
  const places = await loadPlaces({ ...options, validation }, hooks, [...unfrozen]);
  const { chosen, log, measured, ...found } = await searchPlaces(
    places,
    space,
    folder,
    options,
    hooks,
  ).finally(() => Promise.all(places.map((place) => place.close())));
  const { report: trained, cache } = await trainRun(trainingOf(chosen, options, validation), hooks);
  const report: TuneReport = {
    run: folder,
    best: flat(chosen),
    ...found,
    // Drawn now, as the training removes what an earlier run has left.
    ...(await drawPlots(folder, measured, found.figure)),
    layers: places.map(({ layer, pool, dim, reason }) => ({ layer, pool, dim, reason })),
    trained,
  };
  await writeDurably(path.join(folder, runFiles.search), `${JSON.stringify(report, null, 2)}\n`);
  await log.remove();
  return { report, cache };
}
