import { existsSync } from 'node:fs';
import path from 'node:path';
import { GraftError, nameSome } from '../errors.js';
import { isImagePath } from '../image/image-extensions.js';
import type { Logger } from '../logger.js';
import { showJson } from '../shorten-text.js';
import type { Located, Source } from '../sources/source.js';
import { ExampleCollector } from './collect-examples.js';
import type { Dataset, ExampleKind } from './dataset.js';
import { joinLabels } from './join-labels.js';
import { isRounded, textOfJson } from './json-values.js';
import { ImageRoot, notForTexts } from './image-root.js';
import { locate, locateBelow } from './locate-image.js';
import type { DataOptions } from './read-dataset.js';
import { sayTexts } from './say-texts.js';
import type { ShardFile } from './shard-files.js';
import { parseSplit, splitOfFolder, splitOfPath } from './split-names.js';
import { chooseColumns, hasLabels, type TableColumns } from './table-columns.js';
import { readTableRows } from './table-rows.js';

/**
 * Tables of images or texts, and labels: CSV, TSV or JSONL by their extensions. An image is an absolute path, a path
 * relative to the table, or an http(s) address. A column `split` (train, validation, test) is taken where there is one,
 * else the part that the whole table is. Rows without an image, a text or a label are left out, and said, and so is a
 * whole table of the test part that has no labels.
 * @throws GraftError INVALID_DATASET naming file, row and column.
 */
export async function readTables(
  tables: readonly TableFile[],
  root: string,
  options: DataOptions,
  logger: Logger,
): Promise<Dataset> {
  const found = new ExampleCollector();
  const unlabelled: string[] = [];
  let kind: ExampleKind | undefined;
  // Of competitions the labels of the test part are kept back.
  const mayLack = tables.some(({ split }) => split !== 'test');
  const images = options.imageRoot === undefined ? undefined : await ImageRoot.open(options.imageRoot);
  for (const table of tables)
    kind = await readTable(table, { found, kind, images, ...(mayLack && { unlabelled }) }, options, logger);
  if (images && kind !== undefined && kind !== 'images') throw notForTexts(root);
  if (found.size === 0)
    throw new GraftError(
      'INVALID_DATASET',
      `${root} holds no rows with ${kind?.slice(0, -1) ?? 'image or text'} and label.`,
    );
  sayUnlabelled(unlabelled, logger);
  sayNone(found, root, logger);
  return found.finish(root, kind, logger);
}

type TableFile = Pick<ShardFile, 'path' | 'split' | 'isSplitByFolder'>;

interface TablesSoFar {
  readonly found: ExampleCollector;
  readonly kind: ExampleKind | undefined;
  /** Tables of the test part without labels; absent where there may be none. */
  readonly unlabelled?: string[];
  /** Where images lie, if not beside their table. */
  readonly images: ImageRoot | undefined;
}

/** @returns what the table holds; undefined where nothing tells */
async function readTable(
  { path: file, split: own, isSplitByFolder }: TableFile,
  { found, kind: known, unlabelled: without, images }: TablesSoFar,
  options: DataOptions,
  logger: Logger,
): Promise<ExampleKind | undefined> {
  const { groupColumn, header = true } = options;
  const folder = path.dirname(path.resolve(file));
  let columns: TableColumns | undefined;
  const choose = (names: readonly string[]): readonly string[] => {
    if (own === 'test' && without && !hasLabels(names, options)) {
      without.push(file);
      return [];
    }
    columns = chooseColumns(names, file, options);
    assertAlike(known, columns, file);
    if (known === undefined && options.textColumn === undefined) sayTexts(columns, names, file, logger);
    return columns.names;
  };
  let kind = known;
  let holdsParts: boolean | undefined;
  const lacking = new Map<string, { count: number; row: number }>();
  for await (const { row, values } of readTableRows(file, choose, { header, logger })) {
    if (!columns) return known;
    const { names, contents, labels: labelNames, split: splitAt, group: groupAt, kind: chosen } = columns;
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
    const missing = contents.find((_, i) => !texts[i]) ?? labelNames[unlabelled];
    if (missing !== undefined || group === '') {
      const column = missing ?? groupColumn!;
      const before = lacking.get(column);
      if (before) before.count++;
      else lacking.set(column, { count: 1, row });
      continue;
    }
    kind ??= chosen ?? (images || namesImage(content, folder) ? 'images' : 'texts');
    const given = splitAt < 0 ? '' : texts[splitAt]!;
    if (given) holdsParts ??= columns.isSplitSure || splitOfFolder(given) !== undefined;
    const part = holdsParts ? given : '';
    const split = part ? parseSplit(part, row, file) : isSplitByFolder ? splitOfPath(content) : own;
    const label = labels.length === 1 ? labels[0]! : joinLabels(labels, labelNames, options.task, file);
    // White space at the ends of a text is its own.
    const raw = contents.map((_, i) => (typeof values[i] === 'string' ? values[i] : texts[i]!));
    const place: Located =
      kind === 'images'
        ? images
          ? await locateBelow(images, content, { row, file })
          : locate(content, { row, file })
        : { path: `${path.resolve(file)}#${row}`, source: sourceOfTexts(raw) };
    found.add(label, place, split, group);
  }
  for (const [column, { count, row }] of lacking) {
    logger.warn(
      `${count} ${count === 1 ? 'row' : 'rows'} of ${file} without ${column} left out, the first one row ${row}.`,
    );
  }
  return kind;
}

/** @throws GraftError INVALID_DATASET where one table of a data set holds pairs and another one does not. */
function assertAlike(known: ExampleKind | undefined, { kind, contents }: TableColumns, file: string): void {
  if (known === undefined || (known === 'pairs') === (kind === 'pairs')) return;
  throw new GraftError(
    'INVALID_DATASET',
    `The tables before ${file} hold ${known}, but of this one ${contents.join(' and ')} ${kind === 'pairs' ? 'are pairs of texts' : 'is read alone'}; name the same columns in all with --text-column.`,
  );
}

/** @param texts - one, or the two of a pair */
export function sourceOfTexts([first, second]: readonly string[]): Source {
  return second === undefined ? { kind: 'text', text: first! } : { kind: 'pair', texts: [first!, second] };
}

/** @param files - of the test part */
export function sayUnlabelled(files: readonly string[], logger: Logger): void {
  if (files.length === 0) return;
  logger.warn(
    `${nameSome(files, 3)} ${files.length === 1 ? 'has' : 'have'} no column of labels, so nothing can be measured on ${files.length === 1 ? 'it' : 'them'}: ` +
      'left out. Label the rows of a table with graft predict.',
  );
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

/** Whether what stands in a column of unknown meaning is the path or address of an image. */
function namesImage(content: string, folder: string): boolean {
  return (
    /^https?:\/\/\S+$/i.test(content) || isImagePath(content) || existsSync(path.resolve(folder, content))
  );
}

function textOf(value: unknown, column: string, row: number, file: string): string {
  const text = value === undefined ? '' : textOfJson(value);
  if (text !== undefined) return text;
  throw new GraftError(
    'INVALID_DATASET',
    `Expected a text or a number for ${column} in row ${row} of ${file} but it is ${showJson(value, 60)}.`,
  );
}
