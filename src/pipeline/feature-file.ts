/**
 * `--features FILE.safetensors`: embeddings that were made elsewhere. Tensors `features` [N, D] float32 and `labels` [N]
 * int64 or int32; metadata `classes`, a JSON array of names. For numbers and sets of labels (`--task regression`, `multi`),
 * `targets` [N, classes] float32 is in place of `labels`. Optional: `split` [N] integers (0 train, 1 validation,
 * 2 test, left out here) and `groups` [N] integers (rows of one group stay on one side of the split).
 * The file is hostile until checked.
 */
import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import path from 'node:path';
import { holdOutGroups } from '../dataset/assign-folds.js';
import { splitDataset } from '../dataset/split-dataset.js';
import { GraftError, messageOf, unreadable } from '../errors.js';
import {
  decodeSafetensorsHeader,
  safetensorsDataStart,
  type SafetensorsEntry,
  type SafetensorsHeader,
} from '../tensor/safetensors.js';
import { openPlaces } from '../features/place-reader.js';
import { pickRows } from '../train/row-source.js';
import type { TaskKind } from '../tasks/task.js';
import { countTargets, selectTargets, type Targets } from '../tasks/targets.js';
import { taskOf } from '../tasks/task-of.js';
import type { AnyFeatureSet, FeatureSet, StreamedSet } from '../train/feature-set.js';

export interface FeatureFile {
  readonly path: string;
  readonly dim: number;
  readonly rows: number;
  readonly classes: readonly string[];
  /** What every row is to be predicted as. */
  readonly targets: Targets;
  readonly train: Int32Array;
  readonly validation: Int32Array;
  /** Group of each training row; undefined where the file names none. */
  readonly trainGroups: Int32Array | undefined;
  /** Tells this content from another: size, time of change, labels, split and groups. */
  readonly fingerprint: string;
  /** Copies rows `from`, `from + 1`, … into `into`, [count, dim]. */
  read(from: number, into: Float32Array): Promise<void>;
  /** Copies these rows one after another into `into`, [rows.length, dim]. */
  readRows(rows: ArrayLike<number>, into: Float32Array): Promise<void>;
  close(): Promise<void>;
}

export interface FeatureParts<Set extends AnyFeatureSet = FeatureSet> {
  readonly train: Set;
  readonly validation: Set | undefined;
}

/** Bytes a read: what is checked and spread over the parts at a time. */
const blockBytes = 16 * 2 ** 20;

export interface FileOptions {
  readonly validation?: number | undefined;
  readonly seed?: number | undefined;
  /** Default: single. */
  readonly task?: TaskKind | undefined;
}

/** @throws GraftError FILE_UNREADABLE, INVALID_DATASET for what is not as described above. */
export async function openFeatureFile(file: string, options: FileOptions = {}): Promise<FeatureFile> {
  const where = path.resolve(file);
  let handle: FileHandle;
  try {
    handle = await open(where, 'r');
  } catch (error) {
    throw unreadable(where, error);
  }
  try {
    return await describe(handle, where, options);
  } catch (error) {
    await handle.close();
    throw unreadable(where, error);
  }
}

async function describe(
  handle: FileHandle,
  where: string,
  { task = 'single', ...options }: FileOptions,
): Promise<FeatureFile> {
  const { size, mtimeMs } = await handle.stat();
  const start = await readBytes(handle, 0, Math.min(8, size), where);
  const dataStart = safetensorsDataStart(start, size, where);
  const header = decodeSafetensorsHeader(await readBytes(handle, 0, dataStart, where), size, where);
  const features = entryOf(header, 'features', ['float32'], where);
  if (features.dims.length !== 2 || features.dims.includes(0)) {
    throw invalid(where, `features should have the shape [examples, numbers] but has [${features.dims}]`);
  }
  const [rows, dim] = features.dims as [number, number];
  const hasValues = taskOf(task).targetForm === 'values';
  const classes = classesOf(header, where, hasValues ? 1 : 2);
  const integers = async (name: string): Promise<Float64Array> => {
    const entry = entryOf(header, name, ['int64', 'int32', 'uint8'], where);
    if (entry.dims.length !== 1 || entry.dims[0] !== rows) {
      throw invalid(
        where,
        `${name} should have the shape [${rows}], one a row of features, but has [${entry.dims}]`,
      );
    }
    return toNumbers(await readBytes(handle, entry.begin, entry.end - entry.begin, where), entry);
  };
  const readLabels = async (): Promise<Int32Array> => {
    const given = await integers('labels');
    return Int32Array.from(checkRange(given, classes.length, 'label', `${classes.length} classes`, where));
  };
  const readValues = async (): Promise<Float32Array> => {
    const entry = entryOf(header, 'targets', ['float32'], where);
    const dims = [rows, classes.length];
    if (entry.dims.join() !== dims.join()) {
      throw invalid(
        where,
        `targets should have the shape [${dims}], a number for each of classes, but has [${entry.dims}]`,
      );
    }
    const bytes = await readBytes(handle, entry.begin, entry.end - entry.begin, where);
    return checkValues(new Float32Array(bytes.buffer), task, classes.length, where);
  };
  const targets: Targets = {
    ...{ rows, classes },
    ...(hasValues
      ? { labels: new Int32Array(), targets: await readValues() }
      : { labels: await readLabels() }),
  };
  const split = header.entries.has('split')
    ? checkRange(await integers('split'), 3, 'split', 'train 0, validation 1 and test 2', where)
    : undefined;
  const groups = header.entries.has('groups') ? numberGroups(await integers('groups')) : undefined;
  // Rows of numbers or of sets of labels are split as they come, not class by class.
  const strata = hasValues
    ? { labels: new Int32Array(rows), classes: ['all rows'] }
    : { labels: targets.labels, classes };
  const parts = choose({ ...strata, split, groups, where, ...options });
  if (task === 'multi') assertAllSeen(selectTargets(targets, parts.train), where);
  const rowBytes = 4 * dim;
  const places = openPlaces({
    files: [where],
    fileOf: new Uint32Array(rows),
    positions: Float64Array.from({ length: rows }, (_, row) => features.begin + row * rowBytes),
    rowBytes,
  });
  const isChecked = new Uint8Array(rows);
  const hash = createHash('sha256').update(`${size} ${mtimeMs} `);
  const lists = [targets.targets ?? targets.labels, parts.train, parts.validation, groups ?? ''];
  for (const list of lists) hash.update(list).update('|');
  return {
    path: where,
    dim,
    rows,
    classes,
    targets,
    ...parts,
    trainGroups: groups && parts.train.map((row) => groups[row]!),
    fingerprint: hash.digest('hex'),
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

/** Both parts, their features read when they are needed. */
export function openFeatureParts(file: FeatureFile): FeatureParts<StreamedSet> {
  const { dim } = file;
  const select = (chosen: Int32Array): StreamedSet => ({
    ...selectTargets(file.targets, chosen),
    features: pickRows({ dim, rows: file.rows, read: (rows, into) => file.readRows(rows, into) }, chosen),
    dim,
  });
  return {
    train: select(file.train),
    validation: file.validation.length > 0 ? select(file.validation) : undefined,
  };
}

/** Both parts in memory, read once from the start of the file to its end. */
export async function loadFeatureParts(file: FeatureFile): Promise<FeatureParts> {
  const { dim, rows } = file;
  const select = (chosen: Int32Array): FeatureSet => ({
    ...selectTargets(file.targets, chosen),
    features: new Float32Array(chosen.length * dim),
    dim,
  });
  const parts = [file.train, file.validation].map((chosen) => ({ chosen, set: select(chosen), next: 0 }));
  const blockRows = Math.max(1, Math.floor(blockBytes / (4 * dim)));
  const block = new Float32Array(Math.min(rows, blockRows) * dim);
  for (let from = 0; from < rows; from += blockRows) {
    const count = Math.min(blockRows, rows - from);
    const values = block.subarray(0, count * dim);
    await file.read(from, values);
    for (const part of parts) {
      for (; part.next < part.chosen.length && part.chosen[part.next]! < from + count; part.next++) {
        const at = (part.chosen[part.next]! - from) * dim;
        part.set.features.set(values.subarray(at, at + dim), part.next * dim);
      }
    }
  }
  const [train, validation] = parts;
  return { train: train!.set, validation: validation!.chosen.length > 0 ? validation!.set : undefined };
}

interface Choice {
  readonly labels: Int32Array;
  readonly classes: readonly string[];
  readonly split: Float64Array | undefined;
  readonly groups: Int32Array | undefined;
  readonly where: string;
  readonly validation?: number | undefined;
  readonly seed?: number | undefined;
}

/** Rows of both parts, ascending. */
function choose({ labels, classes, split, groups, where, ...options }: Choice): {
  train: Int32Array;
  validation: Int32Array;
} {
  const all = Int32Array.from(labels, (_, row) => row);
  let train = all.filter((row) => (split?.[row] ?? 0) === 0);
  let validation = all.filter((row) => split?.[row] === 1);
  const share = options.validation ?? 0.2;
  const seed = options.seed ?? 1;
  if (validation.length === 0 && share > 0) {
    const rows = train;
    const own = rows.map((row) => labels[row]!);
    if (groups) {
      const of = rows.map((row) => groups[row]!);
      const held = holdOutGroups(own, classes.length, share, { seed, groups: of });
      validation = rows.filter((_, i) => held.has(i));
      train = rows.filter((_, i) => !held.has(i));
    } else {
      const sides = splitDataset(own, classes.length, { validation: share, seed });
      train = Int32Array.from(sides.train, (i) => rows[i]!);
      validation = Int32Array.from(sides.validation, (i) => rows[i]!);
    }
  }
  const seen = new Set(train.map((row) => labels[row]!));
  const empty = classes.filter((_, label) => !seen.has(label));
  if (empty.length > 0) {
    throw invalid(
      where,
      `every class needs a training row, but ${empty.slice(0, 5).join(', ')}${empty.length > 5 ? ', …' : ''} ` +
        `${empty.length === 1 ? 'has' : 'have'} none`,
    );
  }
  return { train, validation };
}

/** Numbers of groups, from 0. */
function numberGroups(groups: Float64Array): Int32Array {
  const numbers = new Map<number, number>();
  return Int32Array.from(groups, (group) => {
    if (!numbers.has(group)) numbers.set(group, numbers.size);
    return numbers.get(group)!;
  });
}

function classesOf({ metadata }: SafetensorsHeader, where: string, fewest: number): string[] {
  if (metadata.classes === undefined) {
    throw invalid(where, 'its metadata should hold classes, a JSON array of names such as ["cat","dog"]');
  }
  let names: unknown;
  try {
    names = JSON.parse(metadata.classes);
  } catch (error) {
    throw invalid(where, `its metadata classes should be a JSON array of names (${messageOf(error)})`);
  }
  if (!Array.isArray(names) || !names.every((name): name is string => typeof name === 'string')) {
    throw invalid(where, 'its metadata classes should be a JSON array of names');
  }
  if (names.length < fewest)
    throw invalid(where, `${fewest} classes or more are needed but classes names ${names.length}`);
  if (new Set(names).size < names.length) throw invalid(where, 'its metadata classes names a class twice');
  return names;
}

function entryOf(
  { entries }: SafetensorsHeader,
  name: string,
  dtypes: readonly string[],
  where: string,
): SafetensorsEntry {
  const entry = entries.get(name);
  if (!entry) {
    throw invalid(
      where,
      `there should be a tensor ${name} but there are ${[...entries.keys()].slice(0, 8).join(', ') || 'none'}`,
    );
  }
  if (!dtypes.includes(entry.dtype)) {
    throw invalid(where, `${name} should be ${dtypes.join(' or ')} but is ${entry.dtype}; convert it first`);
  }
  return entry;
}

/** Integers as numbers; those beyond 2⁵³ lose their last digits, which no label has. */
function toNumbers(bytes: Uint8Array, { dtype }: SafetensorsEntry): Float64Array {
  const { buffer } = bytes.slice();
  if (dtype === 'int64') return Float64Array.from(new BigInt64Array(buffer), Number);
  return Float64Array.from(dtype === 'int32' ? new Int32Array(buffer) : new Uint8Array(buffer));
}

/** @throws GraftError INVALID_DATASET for what is no number, or no 0 or 1 where sets of labels are expected. */
function checkValues(values: Float32Array, task: TaskKind, columns: number, where: string): Float32Array {
  const accepts = (value: number): boolean =>
    task === 'multi' ? value === 0 || value === 1 : Number.isFinite(value);
  const bad = values.findIndex((value) => !accepts(value));
  if (bad < 0) return values;
  const expected = task === 'multi' ? '0 or 1' : 'finite numbers';
  throw invalid(
    where,
    `targets should be ${expected} but row ${Math.floor(bad / columns)}, column ${bad % columns} is ${values[bad]}`,
  );
}

function assertAllSeen(train: Targets, where: string): void {
  const empty = countTargets(train).findIndex((count) => count === 0);
  if (empty >= 0)
    throw invalid(where, `every label needs a training row, but ${train.classes[empty]} has none`);
}

function checkRange(
  values: Float64Array,
  count: number,
  name: string,
  expected: string,
  where: string,
): Float64Array {
  const bad = values.findIndex((value) => value < 0 || value >= count);
  if (bad < 0) return values;
  throw invalid(where, `row ${bad} has the ${name} ${values[bad]}, but there are ${expected}`);
}

async function readBytes(
  handle: FileHandle,
  from: number,
  length: number,
  where: string,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  await readInto(handle, from, bytes, where);
  return bytes;
}

async function readInto(handle: FileHandle, from: number, into: Uint8Array, where: string): Promise<void> {
  for (let done = 0; done < into.length;) {
    const { bytesRead } = await handle.read(into, done, Math.min(into.length - done, 2 ** 30), from + done);
    if (bytesRead === 0) throw invalid(where, `it ends at byte ${from + done}, before its tensors do`);
    done += bytesRead;
  }
}

function invalid(where: string, reason: string): GraftError {
  return new GraftError(
    'INVALID_DATASET',
    `${where} does not hold features and labels as expected: ${reason}.`,
  );
}
