/**
 * The rows of a file of features as they are: embeddings that were made elsewhere. Tensors `features` [N, D] float32 and
 * `labels` [N] int64 or int32; metadata `classes`, a JSON array of names. For numbers and sets of labels (`--task
 * regression`, `multi`), `targets` [N, classes] float32 is in place of `labels`. Optional: `split` [N] integers (0 train,
 * 1 validation, 2 test) and `groups` [N] integers. The file is hostile until checked.
 */
import { type FileHandle, open } from 'node:fs/promises';
import path from 'node:path';
import { type GraftError, unreadable } from '../errors.js';
import { openPlaces } from '../features/place-reader.js';
import type { Targets } from '../tasks/targets.js';
import type { TaskKind } from '../tasks/task.js';
import { taskOf } from '../tasks/task-of.js';
import {
  checkRange,
  classesOf,
  entryOf,
  type FeatureSource,
  invalid,
  readHeader,
  readInto,
  readIntegers,
  readValues,
} from './feature-entries.js';

export interface FeatureTable {
  readonly path: string;
  readonly dim: number;
  readonly rows: number;
  readonly classes: readonly string[];
  /** What every row is to be predicted as. */
  readonly targets: Targets;
  /** Part of each row: 0 train, 1 validation, 2 test; undefined where the file does not say. */
  readonly split: Float64Array | undefined;
  /** Group of each row, from 0; undefined where the file names none. */
  readonly groups: Int32Array | undefined;
  /** Size and time of change. */
  readonly stamp: string;
  /** Copies rows `from`, `from + 1`, … into `into`, [count, dim]. */
  read(from: number, into: Float32Array): Promise<void>;
  /** Copies these rows one after another into `into`, [rows.length, dim]. */
  readRows(rows: ArrayLike<number>, into: Float32Array): Promise<void>;
  close(): Promise<void>;
}

/** @throws GraftError FILE_UNREADABLE, INVALID_DATASET for what is not as described above. */
export async function openFeatureTable(file: string, task: TaskKind = 'single'): Promise<FeatureTable> {
  const where = path.resolve(file);
  let handle: FileHandle;
  try {
    handle = await open(where, 'r');
  } catch (error) {
    throw unreadable(where, error);
  }
  try {
    return await describe({ handle, where }, task);
  } catch (error) {
    await handle.close();
    throw unreadable(where, error);
  }
}

async function describe(source: FeatureSource, task: TaskKind): Promise<FeatureTable> {
  const { handle, where } = source;
  const { size, mtimeMs } = await handle.stat();
  const header = await readHeader(source, size);
  const features = entryOf(header, 'features', ['float32'], where);
  if (features.dims.length !== 2 || features.dims.includes(0)) {
    throw invalid(where, `features should have the shape [examples, numbers] but has [${features.dims}]`);
  }
  const [rows, dim] = features.dims as [number, number];
  const hasValues = taskOf(task).targetForm === 'values';
  const classes = classesOf(header, where, hasValues ? 1 : 2);
  const readLabels = async (): Promise<Int32Array> => {
    const given = await readIntegers(source, header, 'labels', rows);
    return Int32Array.from(checkRange(given, classes.length, 'label', `${classes.length} classes`, where));
  };
  const targets: Targets = {
    ...{ rows, classes },
    ...(hasValues
      ? { labels: new Int32Array(), targets: await readValues(source, header, [rows, classes.length], task) }
      : { labels: await readLabels() }),
  };
  const split = header.entries.has('split')
    ? checkRange(
        await readIntegers(source, header, 'split', rows),
        ...([3, 'split', 'train 0, validation 1 and test 2', where] as const),
      )
    : undefined;
  const groups = header.entries.has('groups')
    ? numberGroups(await readIntegers(source, header, 'groups', rows))
    : undefined;
  const rowBytes = 4 * dim;
  const places = openPlaces({
    files: [where],
    fileOf: new Uint32Array(rows),
    positions: Float64Array.from({ length: rows }, (_, row) => features.begin + row * rowBytes),
    rowBytes,
  });
  const isChecked = new Uint8Array(rows);
  return {
    ...{ path: where, dim, rows, classes, targets, split, groups },
    stamp: `${size} ${mtimeMs}`,
    async read(from, into) {
      const bytes = new Uint8Array(into.buffer, into.byteOffset, into.byteLength);
      await readInto(handle, features.begin + from * dim * 4, bytes, where);
      const bad = into.findIndex((value) => !Number.isFinite(value));
      if (bad >= 0) throw notFinite(from + Math.floor(bad / dim), bad % dim, into[bad]!);
    },
    async readRows(wanted, into) {
      await places.read(wanted, new Uint8Array(into.buffer, into.byteOffset, 4 * wanted.length * dim));
      for (let i = 0; i < wanted.length; i++) {
        const row = wanted[i]!;
        if (isChecked[row]) continue;
        const bad = into.subarray(i * dim, (i + 1) * dim).findIndex((value) => !Number.isFinite(value));
        if (bad >= 0) throw notFinite(row, bad, into[i * dim + bad]!);
        isChecked[row] = 1;
      }
    },
    async close() {
      await places.close();
      await handle.close();
    },
  };

  function notFinite(row: number, column: number, value: number): GraftError {
    return invalid(where, `features should be finite numbers but row ${row}, column ${column} is ${value}`);
  }
}

/** Numbers of groups, from 0. */
function numberGroups(groups: Float64Array): Int32Array {
  const numbers = new Map<number, number>();
  return Int32Array.from(groups, (group) => {
    if (!numbers.has(group)) numbers.set(group, numbers.size);
    return numbers.get(group)!;
  });
}
