import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { GraftError, messageOf, nameSome } from '../errors.js';
import { isImagePath } from '../image/image-extensions.js';
import type { Logger } from '../logger.js';
import { shortenText } from '../shorten-text.js';
import type { Located } from '../sources/source.js';
import { splitList } from '../split-list.js';
import { ExampleCollector } from './collect-examples.js';
import type { Dataset, ExampleKind } from './dataset.js';
import { joinLabels } from './join-labels.js';
import { isRounded, textOfJson } from './json-values.js';
import type { DataOptions } from './read-dataset.js';
import type { ShardFile } from './shard-files.js';
import { parseSplit } from './split-names.js';
import { readTableRows } from './table-rows.js';
import { findUsual, imageColumns, labelColumns, textColumns } from './usual-columns.js';

/**
 * Tables of images or texts, and labels: CSV, TSV or JSONL by their extensions. An image is an absolute path, a path
 * relative to the table, or an http(s) address. A column `split` (train, validation, test) is taken where there is one,
 * else the part that the whole table is. Rows without an image, a text or a label are left out, and said.
 * @throws GraftError INVALID_DATASET naming file, row and column.
 */
export async function readTables(
  tables: readonly Pick<ShardFile, 'path' | 'split'>[],
  root: string,
  options: DataOptions,
  logger: Logger,
): Promise<Dataset> {
  const found = new ExampleCollector();
  let kind: ExampleKind | undefined;
  for (const table of tables) kind = await readTable(table, { found, kind }, options, logger);
  if (found.size === 0)
    throw new GraftError(
      'INVALID_DATASET',
      `${root} holds no rows with ${kind ? (kind === 'texts' ? 'text' : 'image') : 'image or text'} and label.`,
    );
  sayNone(found, root, logger);
  return found.finish(root, kind, logger);
}

/** @returns what the table holds; undefined where nothing tells */
async function readTable(
  { path: file, split: own }: Pick<ShardFile, 'path' | 'split'>,
  { found, kind: known }: { readonly found: ExampleCollector; readonly kind: ExampleKind | undefined },
  options: DataOptions,
  logger: Logger,
): Promise<ExampleKind | undefined> {
  const { groupColumn, header = true } = options;
  const folder = path.dirname(path.resolve(file));
  let columns: TableColumns | undefined;
  const choose = (names: readonly string[]): readonly string[] => {
    columns = chooseColumns(names, file, options);
    return columns.names;
  };
  let kind = known;
  const lacking = new Map<string, { count: number; row: number }>();
  for await (const { row, values } of readTableRows(file, choose, { header, logger })) {
    const { names, labels: labelNames, split: splitAt, group: groupAt, kind: chosen } = columns!;
    const texts = values.map((value, i) => textOf(value, names[i]!, row, file));
    // An amount may be rounded; what tells one class, group or text from another may not.
    const exact = options.task === 'regression' ? values.slice(0, -labelNames.length) : values;
    const rounded = exact.findIndex(isRounded);
    if (rounded >= 0) {
      throw new GraftError(
        'INVALID_DATASET',
        `The number for ${names[rounded]} in row ${row} of ${file} is too large to be read to its last digit; write it as a text.`,
      );
    }
    const content = texts[0]!;
    const labels = texts.slice(-labelNames.length);
    const group = groupAt < 0 ? undefined : texts[groupAt]!;
    const unlabelled = labels.findIndex((label) =>
      options.task === 'regression' ? label === '' || isNone(label) : label === '',
    );
    const missing = !content ? names[0]! : labelNames[unlabelled];
    if (missing !== undefined || group === '') {
      const column = missing ?? groupColumn!;
      const before = lacking.get(column);
      if (before) before.count++;
      else lacking.set(column, { count: 1, row });
      continue;
    }
    kind ??= chosen ?? (namesImage(content, folder) ? 'images' : 'texts');
    const part = splitAt < 0 ? '' : texts[splitAt]!;
    const split = part ? parseSplit(part, row, file) : own;
    const label = labels.length === 1 ? labels[0]! : joinLabels(labels, labelNames, options.task, file);
    // White space at the ends of a text is its own.
    const text = typeof values[0] === 'string' ? values[0] : content;
    const place: Located =
      kind === 'images'
        ? locate(content, { row, file })
        : { path: `${path.resolve(file)}#${row}`, source: { kind: 'text', text } };
    found.add(label, place, split, group);
  }
  for (const [column, { count, row }] of lacking) {
    logger.warn(
      `${count} ${count === 1 ? 'row' : 'rows'} of ${file} without ${column} left out, the first one row ${row}.`,
    );
  }
  return kind;
}

/** What programs write for a value that is missing. */
const noneNames = ['NaN', 'nan', 'NA', 'N/A', 'n/a', '#N/A', '<NA>', 'None', 'NULL', 'null'];

const isNone = (label: string): boolean => noneNames.includes(label);

/** They may be names: of Namibia, or of what has no defect. */
function sayNone(found: ExampleCollector, root: string, logger: Logger): void {
  const named = noneNames.filter((name) => found.hasClass(name));
  if (named.length === 0) return;
  logger.warn(
    `${named.join(', ')} in ${root} ${named.length === 1 ? 'is' : 'are'} taken for the ${named.length === 1 ? 'name of a class' : 'names of classes'}; ` +
      'leave the cell empty where it means that there is no label.',
  );
}

interface TableColumns {
  /** Of the image or text, then split and group, then the labels. */
  readonly names: readonly string[];
  readonly labels: readonly string[];
  /** Places in `names`, -1 for none. */
  readonly split: number;
  readonly group: number;
  /** undefined: what stands in the first row tells. */
  readonly kind: ExampleKind | undefined;
}

function chooseColumns(columns: readonly string[], file: string, options: DataOptions): TableColumns {
  const { imageColumn, textColumn, labelColumn, groupColumn, header = true } = options;
  const pick = (
    given: string | undefined,
    usual: readonly string[],
    position: string,
    flag: string,
  ): string => {
    const candidates = given === undefined ? (header ? usual : [position]) : [given];
    const name =
      given === undefined ? findUsual(candidates, columns) : columns.find((column) => column === given);
    if (name !== undefined) return assertOnlyOne(name, columns, file);
    throw new GraftError(
      'INVALID_DATASET',
      `Expected ${given === undefined && !header ? `a column ${position}, counted from 0,` : given === undefined ? `one of the columns ${candidates.slice(0, 3).join(', ')}, …` : `a column ${given}`} in ${file} but it has ` +
        `${nameSome(columns.map(shorten))}; name it with ${flag}${header ? ', or pass --no-header' : ''}.`,
    );
  };
  const usual = [...imageColumns.slice(0, 2), ...textColumns, ...imageColumns];
  const isImage = imageColumn !== undefined || findUsual(imageColumns, columns) !== undefined;
  const isText = textColumn !== undefined || findUsual(textColumns, columns) !== undefined;
  const content =
    textColumn !== undefined
      ? pick(textColumn, [], '', '--text-column')
      : pick(imageColumn, isImage ? imageColumns : usual, '0', '--image-column or --text-column');
  const several = labelColumn !== undefined && !columns.includes(labelColumn) && labelColumn.includes(',');
  const labels = several
    ? splitList('label-column', labelColumn).map((name) => pick(name, [], '', '--label-column'))
    : [pick(labelColumn, labelColumns, '1', '--label-column')];
  const group = groupColumn === undefined ? [] : [pick(groupColumn, [], '', '--group-column')];
  const splitName = header ? findUsual(['split'], columns) : undefined;
  const split = splitName === undefined ? [] : [assertOnlyOne(splitName, columns, file)];
  const kind = textColumn !== undefined ? 'texts' : isImage ? 'images' : isText ? 'texts' : undefined;
  return {
    names: [content, ...split, ...group, ...labels],
    labels,
    split: split.length > 0 ? 1 : -1,
    group: group.length > 0 ? 1 + split.length : -1,
    kind,
  };
}

/** @throws GraftError where two columns are called so: which one is meant cannot be told. */
function assertOnlyOne(name: string, columns: readonly string[], file: string): string {
  if (columns.indexOf(name) === columns.lastIndexOf(name)) return name;
  throw new GraftError(
    'INVALID_DATASET',
    `The table ${file} has ${columns.filter((column) => column === name).length} columns called ${shorten(name)}; rename those that are not meant.`,
  );
}

/** Of a table without a header, names may be whole texts. */
function shorten(name: string): string {
  return shortenText(name, 40);
}

/** Whether what stands in a column of unknown meaning is the path or address of an image. */
function namesImage(content: string, folder: string): boolean {
  return (
    /^https?:\/\/\S+$/i.test(content) || isImagePath(content) || existsSync(path.resolve(folder, content))
  );
}

/** @throws GraftError INVALID_DATASET for one that stands for no path. */
function pathOfAddress(address: string, row: number, file: string): string {
  try {
    return fileURLToPath(address);
  } catch (error) {
    throw new GraftError(
      'INVALID_DATASET',
      `${shorten(address)} in row ${row} of ${file} stands for no path: ${messageOf(error)}.`,
    );
  }
}

/**
 * @param place - the row that names it; relative paths are relative to the folder of its table
 * @throws GraftError INVALID_DATASET for an address of a kind that is not read.
 */
export function locate(image: string, { row, file }: { row: number; file: string }): Located {
  if (/^https?:\/\//i.test(image)) return { path: image, source: { kind: 'url', url: image } };
  if (/^file:\/\/\//i.test(image)) return { path: pathOfAddress(image, row, file) };
  const scheme = /^([a-z][a-z0-9+.-]+):\/\//i.exec(image)?.[1];
  if (scheme !== undefined) {
    throw new GraftError(
      'INVALID_DATASET',
      `Expected a path or an http(s) address of an image but found ${shorten(image)} in row ${row} of ${file}: what lies at ${scheme}: addresses is not read; ` +
        'fetch the images and name their paths.',
    );
  }
  const own = path.resolve(path.dirname(file), image);
  // A table made on Windows divides folders by what is part of a name elsewhere.
  if (path.sep === '\\' || !image.includes('\\') || existsSync(own)) return { path: own };
  return { path: path.resolve(path.dirname(file), image.replaceAll('\\', '/')) };
}

function textOf(value: unknown, column: string, row: number, file: string): string {
  const text = value === undefined ? '' : textOfJson(value);
  if (text !== undefined) return text;
  throw new GraftError(
    'INVALID_DATASET',
    `Expected a text or a number for ${column} in row ${row} of ${file} but it is ${shortenText(JSON.stringify(value), 60)}.`,
  );
}
