/** Images or texts of a table that are to be labelled; whatever else it holds is passed over. */
import { GraftError, unreadable } from '../errors.js';
import type { Logger } from '../logger.js';
import type { ParquetColumn } from '../sources/parquet-columns.js';
import type { Located, Source } from '../sources/source.js';
import type { ExampleKind } from './dataset.js';
import { textOfJson } from './json-values.js';
import type { DataOptions } from './read-dataset.js';
import { ParquetFile } from '../sources/parquet-file.js';
import { findPair, pickImages, pickParquetTexts, pickTexts } from './parquet-choice.js';
import { rawTextOf, rowsOf } from './rows-of-parquet.js';
import { holdsImages, ImageRoot } from './image-root.js';
import { locate, locateBelow, type RowPlace } from './locate-image.js';
import { sourceOfTexts } from './read-table.js';
import { shardKind } from './shard-files.js';
import { pickColumn, pickNamedTexts } from './table-columns.js';
import { readTableRows } from './table-rows.js';
import { findUsualPair, imageColumns, textColumns } from './usual-columns.js';

export type TableInputOptions = Pick<DataOptions, 'imageColumn' | 'imageRoot' | 'textColumn' | 'header'>;

export interface TableInput extends Located {
  /** Why there is nothing to read. */
  readonly error?: GraftError;
}

/**
 * One for each row, in their order. A row without an image or text has its error.
 * @throws GraftError as `readTableRows` and `ParquetFile`, INVALID_DATASET where the column is not there.
 */
export async function* readTableInputs(
  file: string,
  kind: ExampleKind,
  { imageColumn, imageRoot, textColumn, header = true }: TableInputOptions,
  logger: Logger,
): AsyncGenerator<TableInput> {
  const images = imageRoot === undefined ? undefined : await ImageRoot.open(imageRoot);
  if (shardKind(file) === 'parquet') {
    if (!header) throw new GraftError('USAGE', `${file} names its columns itself; leave --no-header away.`);
    yield* readParquetInputs(file, kind, { imageColumn, images, textColumn });
    return;
  }
  const choose = (columns: readonly string[]): readonly string[] => {
    const table = { file, header };
    if (kind !== 'images' && textColumn !== undefined)
      return assertTaken(pickNamedTexts(textColumn, columns, table), kind);
    const wanted =
      kind === 'images'
        ? { given: imageColumn, usual: imageColumns, flag: '--image-column' }
        : { usual: textColumns, flag: '--text-column' };
    if (kind !== 'pairs') return [pickColumn({ ...wanted, position: '0' }, columns, table)];
    const pair = header ? findUsualPair(columns) : columns.slice(0, 2);
    if (pair?.length !== 2) throw withoutPair(file);
    return pair;
  };
  for await (const { row, values } of readTableRows(file, choose, { header, logger })) {
    const contents = values.map((value) => (value === undefined ? '' : textOfJson(value)));
    if (!contents.every(Boolean)) {
      yield { path: `${file}#${row}`, error: nothingIn(`row ${row} of ${file}`, kind) };
    } else if (kind === 'images') yield await locateOr(contents[0]!, { row, file }, images);
    // White space at the ends of a text is its own.
    else yield textInput(values.map((value, i) => (typeof value === 'string' ? value : contents[i]!)));
  }
}

/** @throws GraftError USAGE where the columns named are not as many as the texts that the model takes */
function assertTaken<T>(columns: readonly T[], kind: ExampleKind): readonly T[] {
  if (columns.length === (kind === 'pairs' ? 2 : 1)) return columns;
  throw new GraftError(
    'USAGE',
    kind === 'pairs'
      ? 'The model takes pairs of texts; name two columns with --text-column a,b.'
      : 'The model takes single texts; name one column with --text-column.',
  );
}

function withoutPair(file: string): GraftError {
  return new GraftError(
    'INVALID_DATASET',
    `The model takes pairs of texts, but ${file} has no two columns that are called as those of pairs usually are; name them with --text-column a,b.`,
  );
}

/** @param texts - one, or the two of a pair */
export function textInput(texts: readonly string[]): TableInput {
  return { path: texts.join(' | '), source: sourceOfTexts(texts) };
}

async function* readParquetInputs(
  path: string,
  kind: ExampleKind,
  {
    imageColumn,
    images,
    textColumn,
  }: Omit<TableInputOptions, 'imageRoot'> & { readonly images?: ImageRoot | undefined },
): AsyncGenerator<TableInput> {
  const file = await ParquetFile.open(path);
  const columns = kind === 'images' ? [pickImages(file, imageColumn)] : chooseTexts(file, kind, textColumn);
  const [column, second] = columns as [ParquetColumn, ParquetColumn?];
  const isOfBytes = columns.some(({ kind: stored }) => stored === 'bytes');
  const sourceAt = (row: number): Source => ({
    ...{ kind: 'parquet', file: path, column: column.name, row },
    ...(second && { second: second.name }),
  });
  if (images && isOfBytes) throw holdsImages(path);
  if (kind === 'images' && isOfBytes) {
    for (let row = 0; row < file.rows; row++) yield { path: `${path}#${row}`, source: sourceAt(row) };
    return;
  }
  for await (const { row, values } of rowsOf(file, columns)) {
    const texts = values.map((value) => rawTextOf(value) ?? '');
    if (texts.some((text) => text.trim() === ''))
      yield { path: `${path}#${row}`, error: nothingIn(`row ${row} of ${path}`, kind) };
    else if (kind === 'images') yield await locateOr(texts[0]!.trim(), { row, file: path }, images);
    // Bytes may be no text, which the reader of the row says.
    else yield { ...textInput(texts), ...(isOfBytes && { source: sourceAt(row) }) };
  }
}

function chooseTexts(
  file: ParquetFile,
  kind: ExampleKind,
  given: string | undefined,
): readonly ParquetColumn[] {
  if (given !== undefined) return assertTaken(pickParquetTexts(file, given), kind);
  if (kind === 'texts') return [pickTexts(file, undefined)];
  const pair = findPair(file);
  if (!pair) throw withoutPair(file.path);
  return pair;
}

async function locateOr(image: string, place: RowPlace, images: ImageRoot | undefined): Promise<TableInput> {
  try {
    return images ? await locateBelow(images, image, place) : locate(image, place);
  } catch (error) {
    return { path: image, error: unreadable(image, error) };
  }
}

function nothingIn(place: string, kind: ExampleKind): GraftError {
  return new GraftError('INVALID_DATASET', `There is no ${kind.slice(0, -1)} in ${place}.`);
}
