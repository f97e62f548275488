/** Images or texts of a table that are to be labelled; whatever else it holds is passed over. */
import { GraftError, unreadable } from '../errors.js';
import type { Logger } from '../logger.js';
import type { Located } from '../sources/source.js';
import type { ExampleKind } from './dataset.js';
import { textOfJson } from './json-values.js';
import type { DataOptions } from './read-dataset.js';
import { ParquetFile } from '../sources/parquet-file.js';
import { pickImages, pickTexts } from './parquet-choice.js';
import { rawTextOf, rowsOf } from './rows-of-parquet.js';
import { holdsImages, ImageRoot } from './image-root.js';
import { locate, locateBelow, type RowPlace } from './locate-image.js';
import { isTable, shardKind } from './shard-files.js';
import { pickColumn } from './table-columns.js';
import { readTableRows } from './table-rows.js';
import { imageColumns, textColumns } from './usual-columns.js';

export type TableInputOptions = Pick<DataOptions, 'imageColumn' | 'imageRoot' | 'textColumn' | 'header'>;

export interface TableInput extends Located {
  /** Why there is nothing to read. */
  readonly error?: GraftError;
}

/** Whether a file is a table by its name. */
export function holdsInputs(file: string): boolean {
  return isTable(file) || shardKind(file) === 'parquet';
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
  const wanted =
    kind === 'images'
      ? { given: imageColumn, usual: imageColumns, flag: '--image-column' }
      : { given: textColumn, usual: textColumns, flag: '--text-column' };
  const choose = (columns: readonly string[]) => [
    pickColumn({ ...wanted, position: '0' }, columns, { file, header }),
  ];
  for await (const { row, values } of readTableRows(file, choose, { header, logger })) {
    const [value] = values;
    const content = value === undefined ? '' : textOfJson(value);
    if (!content) yield { path: `${file}#${row}`, error: nothingIn(`row ${row} of ${file}`, kind) };
    else if (kind === 'texts') {
      // White space at the ends of a text is its own.
      const text = typeof value === 'string' ? value : content;
      yield { path: text, source: { kind: 'text', text } };
    } else yield await locateOr(content, { row, file }, images);
  }
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
  const column = kind === 'images' ? pickImages(file, imageColumn) : pickTexts(file, textColumn);
  const isOfBytes = column.kind === 'bytes';
  const sourceAt = (row: number) => ({ kind: 'parquet', file: path, column: column.name, row }) as const;
  if (images && isOfBytes) throw holdsImages(path);
  if (kind === 'images' && isOfBytes) {
    for (let row = 0; row < file.rows; row++) yield { path: `${path}#${row}`, source: sourceAt(row) };
    return;
  }
  for await (const { row, values } of rowsOf(file, [column])) {
    const text = rawTextOf(values[0]);
    if (!text?.trim()) yield { path: `${path}#${row}`, error: nothingIn(`row ${row} of ${path}`, kind) };
    // Bytes may be no text, which the reader of the row says.
    else if (kind === 'texts')
      yield { path: text, source: isOfBytes ? sourceAt(row) : { kind: 'text', text } };
    else yield await locateOr(text.trim(), { row, file: path }, images);
  }
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
