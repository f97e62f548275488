/**
 * Parquet files of images or texts, as the Hugging Face `datasets` library writes them: a column of bytes, or of a struct with
 * `bytes` in it, and a column of labels. Only the labels are read; an example is a row that is read when its turn comes.
 * A column of strings called as images are is one of paths or addresses, as in any other table; one of bytes called as texts
 * are is one of texts, which some programs write so.
 */
import { GraftError, nameSome } from '../errors.js';
import type { Logger } from '../logger.js';
import type { ParquetColumn } from '../sources/parquet-columns.js';
import { ParquetFile } from '../sources/parquet-file.js';
import { splitList } from '../split-list.js';
import { ExampleCollector } from './collect-examples.js';
import type { Dataset, ExampleKind } from './dataset.js';
import type { DataOptions } from './read-dataset.js';
import { joinLabels } from './join-labels.js';
import { labelText } from './label-text.js';
import {
  columnsTyped,
  findColumn,
  findPair,
  findTexts,
  pickImages,
  pickParquetColumn,
  pickParquetTexts,
  pickTexts,
  usualImages,
} from './parquet-choice.js';
import { rowsOf, textOf } from './rows-of-parquet.js';
import { holdsImages, ImageRoot, notForTexts } from './image-root.js';
import { locate, locateBelow } from './locate-image.js';
import { sayUnlabelled } from './read-table.js';
import { sayTexts } from './say-texts.js';
import type { ShardFile } from './shard-files.js';
import { parseSplit, splitOfFolder, splitOfPath } from './split-names.js';
import { labelColumns, perhapsSplitColumns } from './usual-columns.js';

/**
 * Columns are those named, else those that the file's Hugging Face metadata calls an image and a class label, else the
 * usual names. Rows without a label are left out, and said, and so is a file of the test part that has no labels.
 * @throws GraftError INVALID_DATASET naming the file and the column.
 */
export async function readParquet(
  shards: readonly ShardFile[],
  root: string,
  options: DataOptions,
  logger: Logger,
): Promise<Dataset> {
  const found = new ExampleCollector();
  let kind: ExampleKind = 'images';
  const [unlabelled, ungrouped, unplaced] = ['a label', options.groupColumn, 'an image'].map((what) => ({
    what,
    count: 0,
    first: '',
  })) as [LeftOut, LeftOut, LeftOut];
  const without: string[] = [];
  const folder = options.imageRoot === undefined ? undefined : await ImageRoot.open(options.imageRoot);
  const mayLack = shards.some(({ split }) => split !== 'test');
  for (const shard of shards) {
    const file = await ParquetFile.open(shard.path);
    const chosen = chooseColumns(file, options, shard.split === 'test' && mayLack);
    if (shard === shards[0]) {
      sayOthers(file, chosen, options, logger);
      if (chosen && options.textColumn === undefined) {
        const { kind, image, second } = chosen;
        const contents = second ? [image.name, second.name] : [image.name];
        const names = file.columns.map(({ name }) => name);
        sayTexts({ kind, contents }, names, shard.path, logger);
      }
    }
    if (!chosen) {
      without.push(shard.path);
      continue;
    }
    const { image, second, labels, names, split: parts, isSplitSure, group: groups } = chosen;
    let holdsParts: boolean | undefined = isSplitSure || undefined;
    if (found.size > 0 && (kind === 'pairs') !== (chosen.kind === 'pairs')) {
      throw new GraftError(
        'INVALID_DATASET',
        `The files before ${shard.path} hold ${kind}, but this one ${chosen.kind}; name the same columns in all with --text-column.`,
      );
    }
    kind = chosen.kind;
    const places = kind === 'images' && image.kind === 'text' ? image : undefined;
    if (folder && kind !== 'images') throw notForTexts(shard.path);
    if (folder && !places) throw holdsImages(shard.path);
    const others = [places, parts, groups].filter((column) => column !== undefined);
    const [placeAt, partAt, groupAt] = [places, parts, groups].map(
      (column) => labels.length + (column ? others.indexOf(column) : Number.NaN),
    ) as [number, number, number];
    const labelNames = labels.map(({ name }) => name);
    for await (const { row, values } of rowsOf(file, [...labels, ...others])) {
      const at = `row ${row} of ${shard.path}`;
      const given = values.slice(0, labels.length).map((value) => labelOf(value, names, at));
      const group = groups && labelOf(values[groupAt], undefined, at);
      const place = places && textOf(values[placeAt]);
      const lacking = given.includes(undefined)
        ? unlabelled
        : groups && group === undefined
          ? ungrouped
          : places && !place
            ? unplaced
            : undefined;
      if (lacking) {
        if (lacking.count++ === 0) lacking.first = at;
        continue;
      }
      const label =
        given.length === 1 ? given[0]! : joinLabels(given as string[], labelNames, options.task, shard.path);
      const own = shard.isSplitByFolder && place ? splitOfPath(place) : shard.split;
      const part = parts && nameOf(values[partAt], undefined, at);
      if (part !== undefined) holdsParts ??= splitOfFolder(part) !== undefined;
      const split = part !== undefined && holdsParts ? parseSplit(part, row, shard.path) : own;
      if (places && place) {
        const at = { row, file: shard.path };
        found.add(label, folder ? await locateBelow(folder, place, at) : locate(place, at), split, group);
      } else {
        const source = {
          ...({ kind: 'parquet', file: shard.path, column: image.name, row } as const),
          ...(second && { second: second.name }),
        };
        found.add(label, { path: `${shard.path}#${row}`, source }, split, group);
      }
    }
  }
  sayUnlabelled(without, logger);
  for (const { what, count, first } of [unlabelled, ungrouped, unplaced])
    if (count > 0)
      logger.warn(
        `${count} ${count === 1 ? 'row' : 'rows'} without ${what} left out, the first one ${first}.`,
      );
  if (found.size === 0) {
    throw new GraftError('INVALID_DATASET', `${root} holds no rows with ${kind.slice(0, -1)} and label.`);
  }
  return found.finish(root, kind, logger);
}

/** Of several columns of classes the first is taken, which may not be the one that is meant. */
function sayOthers(
  file: ParquetFile,
  chosen: ChosenColumns | undefined,
  { labelColumn }: DataOptions,
  logger: Logger,
): void {
  const classes = columnsTyped(file, 'ClassLabel');
  if (labelColumn !== undefined || !chosen || classes.length < 2) return;
  logger.warn(
    `${file.path} has several columns of classes (${nameSome(classes)}): ${chosen.labels[0]!.name} is taken; name another with --label-column.`,
  );
}

interface LeftOut {
  readonly what: string | undefined;
  count: number;
  first: string;
}

interface ChosenColumns {
  readonly kind: ExampleKind;
  /** Of images or texts. */
  readonly image: ParquetColumn;
  /** Of the second texts of pairs. */
  readonly second: ParquetColumn | undefined;
  readonly labels: readonly ParquetColumn[];
  /** Names of the classes by number, where the label is one. */
  readonly names: readonly unknown[] | undefined;
  /** The column that says which part a row belongs to, if there is one. */
  readonly split: ParquetColumn | undefined;
  /** Whether it is one by its name alone; otherwise it is where it names a part first. */
  readonly isSplitSure: boolean;
  /** The column that says what belongs together, where one was named. */
  readonly group: ParquetColumn | undefined;
}

/** undefined where there are no labels, and need not be. */
function chooseColumns(
  file: ParquetFile,
  { imageColumn, textColumn, labelColumn, groupColumn }: DataOptions,
  mayLack: boolean,
): ChosenColumns | undefined {
  const { features } = file;
  const find = (names: readonly string[], kinds: readonly ParquetColumn['kind'][]) =>
    findColumn(file, names, kinds);
  const pick = (
    given: string | undefined,
    usual: readonly string[],
    kinds: readonly ParquetColumn['kind'][],
    what: string,
    flag: string,
  ) => pickParquetColumn(file, { given, usual, kinds, what, flag });
  const isImage = imageColumn !== undefined || find(usualImages(file), ['bytes', 'text']) !== undefined;
  const texts =
    textColumn !== undefined
      ? pickParquetTexts(file, textColumn)
      : isImage
        ? undefined
        : findTexts(file)
          ? [pickTexts(file, undefined)]
          : findPair(file);
  const [image, second] = texts ?? [pickImages(file, imageColumn, '--image-column (or --text-column)')];
  const usualLabels = [...columnsTyped(file, 'ClassLabel'), ...labelColumns, 'fine_label'];
  // Some programs write strings as bytes.
  const labelKinds = ['number', 'text', 'boolean', 'list', 'bytes'] as const;
  // A column's own name may hold commas.
  const isSeveral =
    labelColumn !== undefined && labelColumn.includes(',') && !find([labelColumn], labelKinds);
  const given = isSeveral ? splitList('label-column', labelColumn) : [labelColumn];
  const isThere = (name: string | undefined) =>
    find(name === undefined ? usualLabels : [name], labelKinds) !== undefined;
  if (mayLack && !given.every(isThere)) return undefined;
  const labels = given.map((name) => pick(name, usualLabels, labelKinds, 'labels', '--label-column'));
  const group =
    groupColumn === undefined
      ? undefined
      : pick(groupColumn, [], ['number', 'text', 'boolean'], 'groups', '--group-column');
  const parts = find(['split'], ['text', 'number', 'boolean']);
  const perhaps = find(perhapsSplitColumns, ['text']);
  const isFree = ![image, second, group, ...labels].includes(perhaps);
  const names = labels.length === 1 ? features[labels[0]!.name]?.names : undefined;
  return {
    kind: second ? 'pairs' : texts ? 'texts' : 'images',
    image: image!,
    second,
    labels,
    names: Array.isArray(names) ? names : undefined,
    split: parts ?? (isFree ? perhaps : undefined),
    isSplitSure: parts !== undefined,
    group,
  };
}

/** Of a list its parts, as JSON. */
function labelOf(value: unknown, names: readonly unknown[] | undefined, place: string): string | undefined {
  if (!Array.isArray(value)) return nameOf(value, names, place);
  const parts = value.map((part) => nameOf(part, names, place));
  return JSON.stringify(parts.filter((part) => part !== undefined));
}

function nameOf(value: unknown, names: readonly unknown[] | undefined, place: string): string | undefined {
  if (value instanceof Uint8Array) return labelText(value, place) || undefined;
  // As other tables hold it: a day alone where there is no time.
  if (value instanceof Date) return value.toISOString().replace('T00:00:00.000Z', '');
  if (typeof value !== 'number' && typeof value !== 'bigint') {
    return typeof value === 'boolean' ? String(value) : textOf(value) || undefined;
  }
  const number = Number(value);
  // What pandas writes for a number that is missing.
  if (Number.isNaN(number)) return undefined;
  if (!names) return String(value);
  // What the `datasets` library writes for "unknown".
  if (number === -1) return undefined;
  const name = names[number];
  if (typeof name === 'string') return name;
  throw new GraftError(
    'INVALID_DATASET',
    `Label ${number} in ${place} is none of the ${names.length} classes.`,
  );
}
