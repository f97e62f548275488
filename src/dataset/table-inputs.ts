/** Images or texts of a table that are to be labelled; whatever else it holds is passed over. */
import { GraftError, unreadable } from '../errors.js';
import type { Logger } from '../logger.js';
import type { Located } from '../sources/source.js';
import type { ExampleKind } from './dataset.js';
import { textOfJson } from './json-values.js';
import type { DataOptions } from './read-dataset.js';
import { locate } from './read-table.js';
import { pickColumn } from './table-columns.js';
import { readTableRows } from './table-rows.js';
import { imageColumns, textColumns } from './usual-columns.js';

export type TableInputOptions = Pick<DataOptions, 'imageColumn' | 'textColumn' | 'header'>;

export interface TableInput extends Located {
  /** Why there is nothing to read. */
  readonly error?: GraftError;
}

/**
 * One for each row, in their order. A row without an image or text has its error.
 * @throws GraftError as `readTableRows`, INVALID_DATASET where the column is not there.
 */
export async function* readTableInputs(
  file: string,
  kind: ExampleKind,
  { imageColumn, textColumn, header = true }: TableInputOptions,
  logger: Logger,
): AsyncGenerator<TableInput> {
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
    } else yield locateOr(content, row, file);
  }
}

function locateOr(image: string, row: number, file: string): TableInput {
  try {
    return locate(image, { row, file });
  } catch (error) {
    return { path: image, error: unreadable(image, error) };
  }
}

function nothingIn(place: string, kind: ExampleKind): GraftError {
  return new GraftError('INVALID_DATASET', `There is no ${kind.slice(0, -1)} in ${place}.`);
}
