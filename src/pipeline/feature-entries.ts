/** The parts of a file of features, each checked where it is read: its header, its classes, its columns. */
import { type FileHandle, open } from 'node:fs/promises';
import path from 'node:path';
import { GraftError, messageOf, unreadable } from '../errors.js';
import { shortenText } from '../shorten-text.js';
import type { TaskKind } from '../tasks/task.js';
import {
  decodeSafetensorsHeader,
  safetensorsDataStart,
  type SafetensorsEntry,
  type SafetensorsHeader,
} from '../tensor/safetensors.js';

/** An open file of features. */
export interface FeatureSource {
  readonly handle: FileHandle;
  /** What it is called in errors. */
  readonly where: string;
  readonly header: SafetensorsHeader;
  /** Size and time of change. */
  readonly stamp: string;
}

/**
 * Opens a file and gives what `describe` makes of it; where that fails, the file is closed again.
 * @throws GraftError FILE_UNREADABLE, INVALID_DATASET
 */
export async function openFeatureSource<T>(
  file: string,
  describe: (source: FeatureSource) => Promise<T>,
): Promise<T> {
  const where = path.resolve(file);
  let handle: FileHandle;
  try {
    handle = await open(where, 'r');
  } catch (error) {
    throw unreadable(where, error);
  }
  try {
    const { size, mtimeMs } = await handle.stat();
    const header = await readHeader(handle, size, where);
    return await describe({ handle, where, header, stamp: `${size} ${mtimeMs}` });
  } catch (error) {
    await handle.close();
    throw unreadable(where, error);
  }
}

async function readHeader(handle: FileHandle, size: number, where: string): Promise<SafetensorsHeader> {
  const start = await readBytes(handle, 0, Math.min(8, size), where);
  const dataStart = safetensorsDataStart(start, size, where);
  return decodeSafetensorsHeader(await readBytes(handle, 0, dataStart, where), size, where);
}

/** Names of the outputs. */
export function classesOf({ header, where }: FeatureSource, fewest: number): string[] {
  const { metadata } = header;
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
  const composed = names.map((name) => name.normalize());
  const twice = composed.findIndex((name, i) => composed.indexOf(name) < i);
  if (twice < 0) return composed;
  const isSpelledTwice = names.indexOf(names[twice]!) === twice;
  throw invalid(
    where,
    `its metadata classes names a class twice, ${composed[twice]}${isSpelledTwice ? ' (in Unicode, composed and decomposed)' : ''}`,
  );
}

/** Of `texts` in the metadata, the number of texts that a row is of. */
export function saysPairs({ header, where }: FeatureSource): boolean {
  const { texts = '1' } = header.metadata;
  if (texts === '1' || texts === '2') return texts === '2';
  throw invalid(
    where,
    `its metadata texts should be "2" for features of pairs of texts, or "1", but is "${shortenText(texts, 40)}"`,
  );
}

export function entryOf(
  { header: { entries }, where }: FeatureSource,
  name: string,
  dtypes: readonly string[],
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

/** One integer a row, exactly. */
export async function readIntegers(
  source: FeatureSource,
  name: string,
  rows: number,
): Promise<BigInt64Array | Int32Array | Uint8Array> {
  const { handle, where } = source;
  const entry = entryOf(source, name, ['int64', 'int32', 'uint8']);
  if (entry.dims.length !== 1 || entry.dims[0] !== rows) {
    throw invalid(
      where,
      `${name} should have the shape [${rows}], one a row of features, but has [${entry.dims}]`,
    );
  }
  const { buffer } = await readBytes(handle, entry.begin, entry.end - entry.begin, where);
  if (entry.dtype === 'int64') return new BigInt64Array(buffer);
  return entry.dtype === 'int32' ? new Int32Array(buffer) : new Uint8Array(buffer);
}

/** Numbers or sets of labels: [rows, classes], of one class [rows] too. */
export async function readValues(
  source: FeatureSource,
  dims: readonly [rows: number, classes: number],
  task: TaskKind,
): Promise<Float32Array> {
  const { handle, where } = source;
  const entry = entryOf(source, 'targets', ['float32']);
  const isColumn = dims[1] === 1 && entry.dims.length === 1 && entry.dims[0] === dims[0];
  if (entry.dims.join() !== dims.join() && !isColumn) {
    throw invalid(
      where,
      `targets should have the shape [${dims}], a number for each of classes, but has [${entry.dims}]`,
    );
  }
  const bytes = await readBytes(handle, entry.begin, entry.end - entry.begin, where);
  return checkValues(new Float32Array(bytes.buffer), task, dims[1], where);
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

/** Those from 0 to below `count`, as numbers. */
export function checkRange(
  given: BigInt64Array | Int32Array | Uint8Array,
  count: number,
  name: string,
  expected: string,
  where: string,
): Float64Array {
  const values = Float64Array.from(given as Iterable<number | bigint>, Number);
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

export async function readInto(
  handle: FileHandle,
  from: number,
  into: Uint8Array,
  where: string,
): Promise<void> {
  for (let done = 0; done < into.length;) {
    const { bytesRead } = await handle.read(into, done, Math.min(into.length - done, 2 ** 30), from + done);
    if (bytesRead === 0) throw invalid(where, `it ends at byte ${from + done}, before its tensors do`);
    done += bytesRead;
  }
}

export function invalid(where: string, reason: string): GraftError {
  return new GraftError(
    'INVALID_DATASET',
    `${where} does not hold features and labels as expected: ${reason}.`,
  );
}
