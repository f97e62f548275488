/**
 * `--features FILE.safetensors`: a file of features, laid out as `feature-table.ts` describes, and which of its rows train
 * and which validate. Rows of its test part are left out; rows of one group stay on one side of the split.
 */
import { createHash } from 'node:crypto';
import { countTargets, selectTargets, type Targets } from '../tasks/targets.js';
import type { TaskKind } from '../tasks/task.js';
import { taskOf } from '../tasks/task-of.js';
import { chooseParts } from './choose-parts.js';
import { invalid } from './feature-entries.js';
import { type FeatureTable, openFeatureTable } from './feature-table.js';

export interface FeatureFile extends Omit<FeatureTable, 'split' | 'groups' | 'stamp'> {
  readonly train: Int32Array;
  readonly validation: Int32Array;
  /** Whether the file says itself which rows validate. */
  readonly isGiven: boolean;
  /** Group of each training row; undefined where the file names none. */
  readonly trainGroups: Int32Array | undefined;
  readonly validationGroups: Int32Array | undefined;
  /** Tells this content from another: size, time of change, labels, split and groups. */
  readonly fingerprint: string;
}

export interface FileOptions {
  readonly validation?: number | undefined;
  readonly seed?: number | undefined;
  /** Default: single. */
  readonly task?: TaskKind | undefined;
}

/** @throws GraftError FILE_UNREADABLE, INVALID_DATASET for what is not laid out so, or classes without a training row. */
export async function openFeatureFile(
  file: string,
  { task = 'single', ...options }: FileOptions = {},
): Promise<FeatureFile> {
  const table = await openFeatureTable(file, { task });
  try {
    return { ...table, ...choose(table, task, options) };
  } catch (error) {
    await table.close();
    throw error;
  }
}

function choose(table: FeatureTable, task: TaskKind, options: Omit<FileOptions, 'task'>) {
  const { rows, classes, targets, split, groups, stamp, path: where } = table;
  // Rows of numbers or of sets of labels are split as they come, not class by class.
  const strata =
    taskOf(task).targetForm === 'values'
      ? { labels: new Int32Array(rows), classes: ['all rows'] }
      : { labels: targets.labels, classes };
  const parts = chooseParts({ ...strata, split, groups, where, ...options });
  if (task === 'multi') assertAllSeen(selectTargets(targets, parts.train), where);
  const hash = createHash('sha256').update(`${stamp} `);
  const lists = [targets.targets ?? targets.labels, parts.train, parts.validation, groups ?? ''];
  for (const list of lists) hash.update(list).update('|');
  return {
    ...parts,
    trainGroups: groups && parts.train.map((row) => groups[row]!),
    validationGroups: groups && parts.validation.map((row) => groups[row]!),
    fingerprint: hash.digest('hex'),
  };
}

function assertAllSeen(train: Targets, where: string): void {
  const empty = countTargets(train).findIndex((count) => count === 0);
  if (empty >= 0)
    throw invalid(where, `every label needs a training row, but ${train.classes[empty]} has none`);
}
