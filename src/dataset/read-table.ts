import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { GraftError, messageOf, unreadable } from '../errors.js';
import type { Dataset } from './dataset.js';
import type { DataOptions } from './read-dataset.js';

type Row = Readonly<Record<string, unknown>>;

/**
 * A table of image paths (absolute, or relative to the table) and labels: CSV, TSV or JSONL by its extension.
 * @throws GraftError INVALID_DATASET naming file, line and column.
 */
export async function readTable(file: string, options: DataOptions): Promise<Dataset> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw unreadable(file, error);
  }
  const rows = /\.jsonl$/i.test(file)
    ? jsonRows(text, file)
    : await delimitedRows(text, file, options.header ?? true);
  const first = rows[0];
  if (!first) throw new GraftError('INVALID_DATASET', `The table ${file} holds no rows.`);
  const column = (given: string | undefined, usual: readonly string[], flag: string): string => {
    const name = given ?? usual.find((candidate) => candidate in first);
    if (name !== undefined && name in first) return name;
    throw new GraftError(
      'INVALID_DATASET',
      `Expected a column ${given ?? usual.join(' or ')} in ${file} but it has ${Object.keys(first).join(', ')}; name it with ${flag}.`,
    );
  };
  const imageColumn = column(
    options.imageColumn,
    ['image', 'path', 'file', 'filename', '0'],
    '--image-column',
  );
  const labelColumn = column(options.labelColumn, ['label', 'class', 'category', '1'], '--label-column');
  const folder = path.dirname(path.resolve(file));
  const found = rows.map((row, i) => {
    const [image, label] = [row[imageColumn], row[labelColumn]].map((value) =>
      typeof value === 'string' || typeof value === 'number' ? String(value).trim() : '',
    );
    if (!image || !label) {
      throw new GraftError(
        'INVALID_DATASET',
        `Row ${i + 1} of ${file} has no ${image ? labelColumn : imageColumn}.`,
      );
    }
    return { path: path.resolve(folder, image), label };
  });
  const classes = [...new Set(found.map(({ label }) => label))].sort((a, b) =>
    Buffer.compare(Buffer.from(a), Buffer.from(b)),
  );
  const labelOf = new Map(classes.map((label, i) => [label, i]));
  return {
    root: path.resolve(file),
    classes,
    examples: found.map(({ path: image, label }) => ({ path: image, label: labelOf.get(label)! })),
  };
}

function jsonRows(text: string, file: string): Row[] {
  const rows: Row[] = [];
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '') continue;
    let row: unknown;
    try {
      row = JSON.parse(line);
    } catch (error) {
      throw new GraftError('INVALID_DATASET', `Line ${i + 1} of ${file} is not JSON: ${messageOf(error)}.`);
    }
    if (typeof row !== 'object' || row === null || Array.isArray(row)) {
      throw new GraftError('INVALID_DATASET', `Expected an object on line ${i + 1} of ${file}.`);
    }
    rows.push(row as Row);
  }
  return rows;
}

async function delimitedRows(text: string, file: string, header: boolean): Promise<Row[]> {
  const { parse } = await import('csv-parse/sync');
  try {
    const rows = parse(text, {
      delimiter: /\.(tsv|tab)$/i.test(file) ? '\t' : ',',
      columns: header,
      bom: true,
      skip_empty_lines: true,
    }) as unknown[];
    return header ? (rows as Row[]) : (rows as string[][]).map((row) => Object.fromEntries(row.entries()));
  } catch (error) {
    throw new GraftError('INVALID_DATASET', `The table ${file} cannot be read: ${messageOf(error)}`, {
      cause: error,
    });
  }
}
