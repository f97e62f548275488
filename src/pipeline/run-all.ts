/** `graft run`: cache, train, export and verify in one go. */
import path from 'node:path';
import { GraftError, isInterruption } from '../errors.js';
import { quoteForShell } from '../quote-for-shell.js';
import type { CacheReport, Hooks } from './cache-features.js';
import { type ExportReport, exportRun } from './export-run.js';
import { reportRun } from './report-run.js';
import { runFiles } from './run-folder.js';
import type {
  FeatureTrainOptions,
  TrainedRun,
  TrainHooks,
  TrainOptions,
  TrainReport,
} from './training-run.js';
import { trainRun } from './train-run.js';
import type { TuneHooks, TuneOptions, TuneReport } from './tuning-run.js';
import { tuneRun } from './tune-run.js';

/** The union of what the single commands report. Where two use one name, the later command's stands at the top. */
export type RunReport = Partial<Omit<CacheReport, 'examples' | 'seconds'>> &
  TrainReport &
  ExportReport & {
    /** Absent where the features came from a file. */
    readonly cache?: CacheReport;
    /** The page that `graft report` writes. */
    readonly report: string;
  };

export async function runAll(
  options: TrainOptions | FeatureTrainOptions,
  hooks: TrainHooks = {},
): Promise<RunReport> {
  return exportTrained(await trainRun(options, hooks), hooks);
}

/** The same after a search. */
export async function tuneAndExport(
  options: TuneOptions,
  hooks: TuneHooks = {},
): Promise<RunReport & { readonly tune: TuneReport }> {
  const { report: tune, cache } = await tuneRun(options, hooks);
  return { ...(await exportTrained({ report: tune.trained, ...(cache && { cache }) }, hooks)), tune };
}

async function exportTrained({ report, cache }: TrainedRun, hooks: Hooks): Promise<RunReport> {
  hooks.logger?.info('Merging and verifying.');
  const out = path.join(report.run, runFiles.model);
  const exported = await exportRun({ run: report.run, out }, hooks).catch((error: unknown) => {
    if (!isInterruption(error)) throw error;
    throw new GraftError(
      'INTERRUPTED',
      `Stopped before the model was verified. The head is trained and kept: graft export --run ${quoteForShell(report.run)} --out ${quoteForShell(out)} writes the file.`,
    );
  });
  const { report: page } = await reportRun({ run: report.run });
  return { ...cache, ...report, ...exported, ...(cache && { cache }), report: page };
}
