import path from 'node:path';
import { GraftError } from '../errors.js';
import type { Logger } from '../logger.js';
import type { Located } from '../sources/source.js';
import type { TaskKind } from '../tasks/task.js';
import { ExampleCollector } from './collect-examples.js';
import type { Dataset } from './dataset.js';
import type { DataOptions } from './read-dataset.js';
import { splitOfFolder } from './split-names.js';
import { readTableRows } from './table-rows.js';
import { imageColumns, labelColumns } from './usual-columns.js';

/**
 * A table of images and labels: CSV, TSV or JSONL by its extension. An image is an absolute path, a path relative to the
 * table, or an http(s) address. A column `split` (train, validation, test) is taken where there is one. Rows without an
 * image or a label are left out, and said.
 * @throws GraftError INVALID_DATASET naming file, row and column.
 */
export async function readTable(file: string, options: DataOptions, logger: Logger): Promise<Dataset> {
  const { imageColumn, labelColumn, groupColumn, header = true } = options;
  const folder = path.dirname(path.resolve(file));
  let names: readonly string[] = [];
  let labelNames: readonly string[] = [];
  let places = { split: -1, group: -1 };
  const choose = (columns: readonly string[]): readonly string[] => {
    const pick = (
      given: string | undefined,
      usual: readonly string[],
      position: string,
      flag: string,
    ): string => {
      const candidates = given === undefined ? (header ? usual : [position]) : [given];
      const name = candidates.find((candidate) => columns.includes(candidate));
      if (name !== undefined) return name;
      throw new GraftError(
        'INVALID_DATASET',
        `Expected a column ${given ?? candidates.slice(0, 3).join(', ')} in ${file} but it has ` +
          `${columns.join(', ')}; name it with ${flag}${header ? ', or pass --no-header' : ''}.`,
      );
    };
    const image = pick(imageColumn, imageColumns, '0', '--image-column');
    const several = labelColumn !== undefined && !columns.includes(labelColumn) && labelColumn.includes(',');
    labelNames = several
      ? labelColumn.split(',').map((name) => pick(name.trim(), [], '', '--label-column'))
      : [pick(labelColumn, labelColumns, '1', '--label-column')];
    const group = groupColumn === undefined ? [] : [pick(groupColumn, [], '', '--group-column')];
    const split = header && columns.includes('split') ? ['split'] : [];
    names = [image, ...split, ...group, ...labelNames];
    places = { split: split.length > 0 ? 1 : -1, group: group.length > 0 ? 1 + split.length : -1 };
    return names;
  };

  const found = new ExampleCollector();
  const lacking = new Map<string, { count: number; row: number }>();
  for await (const { row, values } of readTableRows(file, choose, { header })) {
    const texts = values.map((value, i) => textOf(value, names[i]!, row, file));
    const image = texts[0]!;
    const labels = texts.slice(-labelNames.length);
    const group = places.group < 0 ? undefined : texts[places.group]!;
    const missing = !image ? names[0]! : labels.includes('') ? labelNames[labels.indexOf('')]! : undefined;
    if (missing !== undefined || group === '') {
      const column = missing ?? groupColumn!;
      const known = lacking.get(column);
      if (known) known.count++;
      else lacking.set(column, { count: 1, row });
      continue;
    }
    const part = places.split < 0 ? '' : texts[places.split]!;
    const split = part ? splitOfFolder(part) : undefined;
    if (part && !split) {
      throw new GraftError(
        'INVALID_DATASET',
        `Expected train, validation or test for split in row ${row} of ${file} but it is ${JSON.stringify(part)}.`,
      );
    }
    const label = labels.length === 1 ? labels[0]! : joinLabels(labels, labelNames, options.task, file);
    found.add(label, locate(image, folder), split, group);
  }
  for (const [column, { count, row }] of lacking) {
    logger.warn(
      `${count} ${count === 1 ? 'row' : 'rows'} of ${file} without ${column} left out, the first one row ${row}.`,
    );
  }
  if (found.size === 0)
    throw new GraftError('INVALID_DATASET', `The table ${file} holds no rows with image and label.`);
  return found.finish(path.resolve(file));
}

/** @param folder - what relative paths are relative to */
export function locate(image: string, folder: string): Located {
  if (/^https?:\/\//i.test(image)) return { path: image, source: { kind: 'url', url: image } };
  return { path: path.resolve(folder, image) };
}

function textOf(value: unknown, column: string, row: number, file: string): string {
  if (typeof value === 'string') return value.trim();
  if (value === undefined) return '';
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (Array.isArray(value) && value.every((item) => typeof item === 'string' || typeof item === 'number'))
    return JSON.stringify(value);
  throw new GraftError(
    'INVALID_DATASET',
    `Expected a text or a number for ${column} in row ${row} of ${file} but it is ${JSON.stringify(value).slice(0, 60)}.`,
  );
}

/** Several columns as one label: their numbers, or the names of those with a 1. */
function joinLabels(
  values: readonly string[],
  names: readonly string[],
  task: TaskKind | undefined,
  file: string,
): string {
  if (task === 'regression') return JSON.stringify(values);
  if (task !== 'multi') {
    throw new GraftError(
      'USAGE',
      `Several label columns of ${file} are numbers or labels: say --task regression or --task multi.`,
    );
  }
  const strange = values.find((value) => !/^(0|1|true|false)$/i.test(value));
  if (strange === undefined) return JSON.stringify(names.filter((_, i) => /^(1|true)$/i.test(values[i]!)));
  throw new GraftError(
    'INVALID_DATASET',
    `Expected 0 or 1 in the label columns of ${file} but found ${JSON.stringify(strange)}.`,
  );
}
