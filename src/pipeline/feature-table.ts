/**
 * The rows of a file of features as they are: embeddings that were made elsewhere. Tensors `features` [N, D] float32 and
 * `labels` [N] int64 or int32; metadata `classes`, a JSON array of names. For numbers and sets of labels (`--task
 * regression`, `multi`), `targets` [N, classes] float32 is in place of `labels`. Optional: `split` [N] integers (0 train,
 * 1 validation, 2 test) and `groups` [N] integers; metadata `texts`, "2" where a row is of a pair of texts. The file is hostile
 * until checked.
 */
import type { Targets } from '../tasks/targets.js';
import type { TaskKind } from '../tasks/task.js';
import { taskOf } from '../tasks/task-of.js';
import {
  checkRange,
  classesOf,
  type FeatureSource,
  invalid,
  openFeatureSource,
  readIntegers,
  readValues,
  saysPairs,
} from './feature-entries.js';
import { type FeatureRows, rowsOf } from './feature-rows.js';

export interface FeatureTable extends FeatureRows {
  readonly classes: readonly string[];
  /** What every row is to be predicted as. */
  readonly targets: Targets;
  /** Part of each row: 0 train, 1 validation, 2 test; undefined where the file does not say. */
  readonly split: Float64Array | undefined;
  /** Group of each row, from 0; undefined where the file names none. */
  readonly groups: Int32Array | undefined;
  /** Whether a row's features are of a pair of texts, which the head's backbone is to take then. */
  readonly takesPairs: boolean;
  /** Size and time of change. */
  readonly stamp: string;
}

export interface TableOptions {
  /** Default: single. */
  readonly task?: TaskKind | undefined;
  /** Classes that there must be; default: 2, or 1 where rows have numbers or sets of labels. */
  readonly fewest?: number | undefined;
}

/** @throws GraftError FILE_UNREADABLE, INVALID_DATASET for what is not as described above. */
export function openFeatureTable(file: string, options: TableOptions = {}): Promise<FeatureTable> {
  return openFeatureSource(file, (source) => describe(source, options));
}

async function describe(source: FeatureSource, options: TableOptions): Promise<FeatureTable> {
  const { where, header, stamp } = source;
  const { task = 'single' } = options;
  const table = rowsOf(source);
  const { rows } = table;
  const hasValues = taskOf(task).targetForm === 'values';
  const classes = classesOf(source, options.fewest ?? (hasValues ? 1 : 2));
  const readLabels = async (): Promise<Int32Array> => {
    if (!header.entries.has('labels') && header.entries.has('targets')) {
      throw invalid(
        where,
        'it has targets in place of labels; say what they are with --task multi or regression',
      );
    }
    const given = await readIntegers(source, 'labels', rows);
    return Int32Array.from(checkRange(given, classes.length, 'label', `${classes.length} classes`, where));
  };
  const readSplit = async (): Promise<Float64Array> => {
    const given = await readIntegers(source, 'split', rows);
    return checkRange(given, 3, 'split', 'train 0, validation 1 and test 2', where);
  };
  const targets: Targets = {
    ...{ rows, classes },
    ...(hasValues
      ? { labels: new Int32Array(), targets: await readValues(source, [rows, classes.length], task) }
      : { labels: await readLabels() }),
  };
  return {
    ...table,
    ...{ classes, targets, stamp },
    split: header.entries.has('split') ? await readSplit() : undefined,
    groups: header.entries.has('groups')
      ? numberGroups(await readIntegers(source, 'groups', rows))
      : undefined,
    takesPairs: saysPairs(source),
  };
}

/** Numbers of groups, from 0. */
function numberGroups(groups: Iterable<number | bigint>): Int32Array {
  const numbers = new Map<number | bigint, number>();
  return Int32Array.from(groups, (group) => {
    if (!numbers.has(group)) numbers.set(group, numbers.size);
    return numbers.get(group)!;
  });
}
