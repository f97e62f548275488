/** Which columns of a Parquet file hold what: those named, else those that its metadata says, else the usual names. */
import { GraftError } from '../errors.js';
import type { ParquetColumn } from '../sources/parquet-columns.js';
import type { ParquetFile } from '../sources/parquet-file.js';
import { namedTexts } from './named-texts.js';
import { findUsualPair, imageColumns, textColumns } from './usual-columns.js';

type Kinds = readonly ParquetColumn['kind'][];

/**
 * The first of the names that a column of these kinds has.
 * @throws GraftError INVALID_DATASET where another column is called the same: which one is meant cannot be told.
 */
export function findColumn(
  { columns, path }: ParquetFile,
  names: readonly string[],
  kinds: Kinds,
): ParquetColumn | undefined {
  for (const name of names) {
    // An image of the `datasets` library is a struct of its bytes and the path it once had.
    const isCalled = (called: string): boolean => called === `${name}.bytes` || called === name;
    const column =
      columns.find((candidate) => isCalled(candidate.name)) ??
      columns.find((candidate) => isCalled(candidate.name.toLowerCase()));
    if (!column || !kinds.includes(column.kind)) continue;
    const count = columns.filter((other) => other.name === column.name).length;
    if (count === 1) return column;
    throw new GraftError(
      'INVALID_DATASET',
      `The Parquet file ${path} has ${count} columns called ${column.name}; rename those that are not meant.`,
    );
  }
  return undefined;
}

/**
 * @param choice - `given`: the name that was asked for; `what` it holds and the `flag` that names it, for the message
 * @throws GraftError INVALID_DATASET naming the columns that are there.
 */
export function pickParquetColumn(
  file: ParquetFile,
  choice: {
    readonly given: string | undefined;
    readonly usual: readonly string[];
    readonly kinds: Kinds;
    readonly what: string;
    readonly flag: string;
  },
): ParquetColumn {
  const { given, usual, kinds, what, flag } = choice;
  const column = findColumn(file, given === undefined ? usual : [given], kinds);
  if (column) return column;
  const present = file.columns.map(({ name, kind }) => `${name} (${kind})`).join(', ');
  throw new GraftError(
    'INVALID_DATASET',
    `Expected a column of ${what}${given === undefined ? '' : ` called ${given}`} in ${file.path} but it has ${present || 'none'}; ` +
      `name it with ${flag}.`,
  );
}

/** Columns that the file's Hugging Face metadata gives a type. @example columnsTyped(file, 'Image') */
export function columnsTyped({ features }: ParquetFile, type: string): string[] {
  return Object.keys(features).filter((name) => features[name]?.type === type);
}

export function usualImages(file: ParquetFile): string[] {
  const structs = file.columns.flatMap(({ name }) => (name.endsWith('.bytes') ? [name.slice(0, -6)] : []));
  return [...columnsTyped(file, 'Image'), 'image', 'img', ...structs, ...imageColumns];
}

/** Of bytes, or of paths. @throws GraftError as `pickParquetColumn` */
export function pickImages(
  file: ParquetFile,
  given: string | undefined,
  flag = '--image-column',
): ParquetColumn {
  return pickParquetColumn(file, {
    ...{ given, flag, usual: usualImages(file) },
    ...{ kinds: ['bytes', 'text'], what: 'images' },
  });
}

/** Of strings, else of bytes, which some programs write strings as. */
export function findTexts(
  file: ParquetFile,
  names: readonly string[] = textColumns,
): ParquetColumn | undefined {
  return findColumn(file, names, ['text']) ?? findColumn(file, names, ['bytes']);
}

/** The column that `--text-column` names, or the two of a pair. @throws GraftError as `pickParquetColumn` and `namedTexts` */
export function pickParquetTexts(file: ParquetFile, given: string): ParquetColumn[] {
  const names = namedTexts(given, (name) => findTexts(file, [name]) !== undefined);
  return names.map((name) => pickTexts(file, name));
}

export function findPair(file: ParquetFile): ParquetColumn[] | undefined {
  return findUsualPair(file.columns.map(({ name }) => name))?.map((name) => pickTexts(file, name));
}

/** @throws GraftError as `pickParquetColumn` */
export function pickTexts(file: ParquetFile, given: string | undefined): ParquetColumn {
  const found = findTexts(file, given === undefined ? undefined : [given]);
  return (
    found ??
    pickParquetColumn(file, {
      ...{ given, flag: '--text-column', usual: textColumns },
      ...{ kinds: ['text', 'bytes'], what: 'texts' },
    })
  );
}
