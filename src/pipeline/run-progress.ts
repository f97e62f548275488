/**
 * What a run leaves behind while it trains, so that a process killed at any time has lost little: `checkpoint/run.json`
 * (what was begun), `checkpoint/state.safetensors` (how far it got), `metrics.jsonl` (a line an epoch), and the trackers.
 * Files that must not be torn are written beside their place and renamed; a torn last line of the metrics is dropped.
 */
import { createHash } from 'node:crypto';
import { appendFileSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { GraftError, messageOf, systemErrorCode } from '../errors.js';
import type { Logger } from '../logger.js';
import type { RunStatus, Tracker } from '../tracking/tracker.js';
import type { EpochRecord } from '../train/epoch-record.js';
import {
  type Checkpoint,
  decodeTrainingState,
  encodeTrainingState,
  type TrainingState,
} from '../train/training-state.js';
import { makeFolder, writeDurably } from '../write-durably.js';
import type { RunEnvironment } from './run-environment.js';
import { runFiles } from './run-folder.js';

/** What must be equal for two runs to be one. */
export interface RunIdentity {
  /** Settings of the training as they are used. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** Digest of the examples of both parts and of what their features come from. */
  readonly data: string;
}

interface BegunRun extends RunIdentity {
  readonly environment: RunEnvironment;
  /** As they were given, to go on without naming them again. */
  readonly options: Readonly<Record<string, unknown>>;
}

export interface ProgressOptions {
  /** False: what was begun is thrown away. True: there must be something to go on with. */
  readonly resume?: boolean | undefined;
  /** Least seconds between two checkpoints. */
  readonly checkpointSeconds?: number | undefined;
  readonly logger: Logger;
  /** Opens what follows the run. */
  track(isResumed: boolean): Promise<readonly Tracker[]>;
}

export interface RunProgress {
  readonly checkpoint: Checkpoint;
  onEpoch(record: EpochRecord): void;
  /** @param figures - the final ones, by name; empty where the run did not finish */
  end(status: RunStatus, figures: Readonly<Record<string, number>>): Promise<void>;
  /** There is nothing to go on with. */
  forget(): Promise<void>;
}

const checkpointFolder = 'checkpoint';
const filesOf = (folder: string) => ({
  begun: path.join(folder, checkpointFolder, 'run.json'),
  state: path.join(folder, checkpointFolder, 'state.safetensors'),
});
const defaultSeconds = 30;
/** Of an earlier run in the folder: they must not stand beside this one's. */
const results = [
  ...[runFiles.head, runFiles.result, runFiles.evaluation, runFiles.report, runFiles.weights],
  ...[runFiles.model, runFiles.search, runFiles.learningCurve, runFiles.rateTest],
];

/**
 * Goes on with what the folder holds where that is the same run, else begins.
 * @throws GraftError USAGE where it holds an unfinished run of other settings or data, or nothing to resume.
 */
export async function openProgress(
  folder: string,
  begun: BegunRun,
  { resume, checkpointSeconds = defaultSeconds, logger, track }: ProgressOptions,
): Promise<RunProgress> {
  const files = filesOf(folder);
  const forget = () => rm(path.join(folder, checkpointFolder), { recursive: true, force: true });
  const earlier = resume === false ? undefined : await readBegun(folder);
  let from: TrainingState | undefined;
  if (earlier) {
    assertSame(earlier, begun, folder);
    from = await readState(files.state, logger);
    const changed = changesOf({ ...earlier.environment }, { ...begun.environment });
    if (from && changed.length > 0)
      logger.warn(
        `The machine is not as it was (${changed.join('; ')}): the last bits of the result may differ.`,
      );
    logger.info(
      from
        ? `Going on ${from.epoch > 0 ? `after epoch ${from.epoch} of` : 'in the first epoch of'} the run in ${folder}.`
        : `Beginning the run in ${folder} again.`,
    );
  } else {
    if (resume) {
      const isFinished = await exists(path.join(folder, runFiles.head));
      throw new GraftError(
        'USAGE',
        `There is no unfinished run in ${folder}${isFinished ? ': it is finished' : ''}; leave --resume out to train.`,
      );
    }
    await forget();
  }
  for (const name of results) await rm(path.join(folder, name), { force: true });
  const metrics = path.join(folder, runFiles.metrics);
  await makeFolder(path.join(folder, checkpointFolder));
  await writeDurably(metrics, (from?.history ?? []).map(toLine).join(''));
  if (!earlier) await writeDurably(files.begun, `${JSON.stringify(begun, null, 2)}\n`);
  let hasWarned = false;
  const trackers = await track(from !== undefined);
  return {
    checkpoint: {
      from,
      everySeconds: checkpointSeconds,
      save: (state) => writeDurably(files.state, encodeTrainingState(state)),
    },
    onEpoch(record) {
      try {
        appendFileSync(metrics, toLine(record));
      } catch (error) {
        if (!hasWarned) logger.warn(`${metrics} is not written while training goes on: ${messageOf(error)}`);
        hasWarned = true;
      }
      for (const tracker of trackers) tracker.epoch(record);
    },
    async end(status, figures) {
      for (const tracker of trackers) await tracker.end(status, figures);
      if (status === 'finished') await forget();
    },
    forget,
  };
}

/** Everything that decides the result, as one digest. */
export function digest(...parts: readonly (string | Uint8Array | Int32Array | Float32Array)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part).update('|');
  return hash.digest('hex');
}

/** The options of the unfinished run in the folder. @throws GraftError USAGE where there is none. */
export async function optionsOfUnfinished(folder: string): Promise<Readonly<Record<string, unknown>>> {
  const begun = await readBegun(folder);
  if (begun) return begun.options;
  throw new GraftError(
    'USAGE',
    `There is no unfinished run in ${folder} to resume; name --backbone and --data, or --features, to train.`,
  );
}

async function readBegun(folder: string): Promise<BegunRun | undefined> {
  try {
    return JSON.parse(await readFile(filesOf(folder).begun, 'utf8')) as BegunRun;
  } catch {
    // None was begun, or what is there cannot be read: both are begun anew.
    return undefined;
  }
}

async function readState(file: string, logger: Logger): Promise<TrainingState | undefined> {
  try {
    return decodeTrainingState(await readFile(file), file);
  } catch (error) {
    if (systemErrorCode(error) !== 'ENOENT')
      logger.warn(`The checkpoint cannot be read, so training begins again: ${messageOf(error)}`);
    return undefined;
  }
}

function assertSame(earlier: RunIdentity, now: RunIdentity, folder: string): void {
  const changes = changesOf(earlier.settings, now.settings);
  if (earlier.data !== now.data) changes.push('the data or its features have changed');
  if (changes.length === 0) return;
  throw new GraftError(
    'USAGE',
    `${folder} holds an unfinished run of another configuration (${changes.join('; ')}). ` +
      'Go on with the same settings, choose another --out, or give --no-resume to begin again.',
  );
}

/** @example changesOf({ l2: 1 }, { l2: 10 }) // ['l2 was 1 and is 10'] */
function changesOf(
  before: Readonly<Record<string, unknown>>,
  now: Readonly<Record<string, unknown>>,
): string[] {
  const names = new Set([...Object.keys(before), ...Object.keys(now)]);
  const shown = (value: unknown): string => (value === undefined ? 'not given' : JSON.stringify(value));
  return [...names]
    .filter((name) => shown(before[name]) !== shown(now[name]))
    .map((name) => `${name} was ${shown(before[name])} and is ${shown(now[name])}`);
}

function toLine(record: object): string {
  return `${JSON.stringify(record)}\n`;
}

async function exists(file: string): Promise<boolean> {
  return readFile(file).then(
    () => true,
    () => false,
  );
}
