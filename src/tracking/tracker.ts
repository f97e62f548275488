/** What follows a training run while it goes on: files and servers that people watch. */
import type { EpochRecord } from '../train/epoch-record.js';

/** finished: a head was written; killed: stopped from outside (Ctrl-C); failed: an error ended it. */
export type RunStatus = 'finished' | 'failed' | 'killed';

export interface RunDescription {
  readonly name: string;
  /** The settings, flat. */
  readonly parameters: Readonly<Record<string, string | number | boolean>>;
  /** Facts about the run that are not settings. */
  readonly tags: Readonly<Record<string, string>>;
}

/** Nothing here throws and `epoch` never waits: what a tracker cannot do, it says once and training goes on. */
export interface Tracker {
  epoch(record: EpochRecord): void;
  /** @param figures - the final ones, by name; empty where the run did not finish */
  end(status: RunStatus, figures: Readonly<Record<string, number>>): Promise<void>;
}

/** The numbers of a score by name, without those that are no finite numbers. */
export function figuresOf(score: object | undefined): [name: string, value: number][] {
  return Object.entries(score ?? {}).filter(
    (entry): entry is [string, number] => typeof entry[1] === 'number' && Number.isFinite(entry[1]),
  );
}
