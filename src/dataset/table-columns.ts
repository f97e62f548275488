/** Which columns of a table hold what, by the names it has. */
import { GraftError, nameSome } from '../errors.js';
import { shortenText } from '../shorten-text.js';
import { splitList } from '../split-list.js';
import type { ExampleKind } from './dataset.js';
import { namedTexts } from './named-texts.js';
import type { DataOptions } from './read-dataset.js';
import { holdsObjects } from './table-rows.js';
import {
  findUsual,
  findUsualPair,
  imageColumns,
  labelColumns,
  perhapsSplitColumns,
  textColumns,
} from './usual-columns.js';

export interface TableColumns {
  /** Of the image, the text or the two of a pair, then split and group, then the labels. */
  readonly names: readonly string[];
  /** The first of the names: how many are an example. */
  readonly contents: readonly string[];
  readonly labels: readonly string[];
  /** Places in `names`, -1 for none. */
  readonly split: number;
  /** Whether the column of parts is one by its name alone; otherwise it is where it names a part first. */
  readonly isSplitSure: boolean;
  readonly group: number;
  /** undefined: what stands in the first row tells. */
  readonly kind: ExampleKind | undefined;
}

export function chooseColumns(columns: readonly string[], file: string, options: DataOptions): TableColumns {
  const { imageColumn, textColumn, labelColumn, groupColumn, header = true } = options;
  const pick = (
    given: string | undefined,
    usual: readonly string[],
    position: string,
    flag: string,
  ): string => pickColumn({ given, usual, position, flag }, columns, { file, header });
  const usual = [...imageColumns.slice(0, 2), ...textColumns, ...imageColumns];
  const isImage = imageColumn !== undefined || findUsual(imageColumns, columns) !== undefined;
  const isText = textColumn !== undefined || findUsual(textColumns, columns) !== undefined;
  const pair = isImage || isText ? undefined : findUsualPair(columns);
  const contents =
    textColumn !== undefined
      ? pickNamedTexts(textColumn, columns, { file, header })
      : (pair?.map((name) => assertOnlyOne(name, columns, file)) ?? [
          pick(imageColumn, isImage ? imageColumns : usual, '0', '--image-column or --text-column'),
        ]);
  const several = labelColumn !== undefined && !columns.includes(labelColumn) && labelColumn.includes(',');
  const labels = several
    ? splitList('label-column', labelColumn).map((name) => pick(name, [], '', '--label-column'))
    : [pick(labelColumn, labelColumns, '1', '--label-column')];
  const group = groupColumn === undefined ? [] : [pick(groupColumn, [], '', '--group-column')];
  const splitName = header ? findUsual(['split'], columns) : undefined;
  // Of objects a later one may have it, which must not be trained on for want of it in the first.
  const later = holdsObjects(file) ? ['split'] : [];
  const perhaps = header ? findUsual(perhapsSplitColumns, columns) : undefined;
  const isFree = perhaps !== undefined && ![...contents, ...group, ...labels].includes(perhaps);
  const parts = splitName ?? (isFree ? perhaps : undefined);
  const split = parts === undefined ? later : [assertOnlyOne(parts, columns, file)];
  const single = textColumn !== undefined ? 'texts' : isImage ? 'images' : isText ? 'texts' : undefined;
  return {
    names: [...contents, ...split, ...group, ...labels],
    contents,
    labels,
    split: split.length > 0 ? contents.length : -1,
    isSplitSure: parts === splitName,
    group: group.length > 0 ? contents.length + split.length : -1,
    kind: contents.length === 2 ? 'pairs' : single,
  };
}

/**
 * The column that `--text-column` names, or the two of a pair.
 * @throws GraftError as `namedTexts` and `pickColumn`
 */
export function pickNamedTexts(
  textColumn: string,
  columns: readonly string[],
  table: { readonly file: string; readonly header: boolean },
): string[] {
  const names = namedTexts(textColumn, (name) => columns.includes(name));
  return names.map((given) =>
    pickColumn({ given, usual: [], position: '', flag: '--text-column' }, columns, table),
  );
}

/** @throws GraftError where two columns are called so: which one is meant cannot be told. */
function assertOnlyOne(name: string, columns: readonly string[], file: string): string {
  if (columns.indexOf(name) === columns.lastIndexOf(name)) return name;
  throw new GraftError(
    'INVALID_DATASET',
    `The table ${file} has ${columns.filter((column) => column === name).length} columns called ${shorten(name)}; rename those that are not meant.`,
  );
}

interface Wanted {
  /** The name that was asked for. */
  readonly given?: string | undefined;
  /** Names that it may have where none was. */
  readonly usual: readonly string[];
  /** Its number, from 0, where the table has no header. */
  readonly position: string;
  /** That names it. */
  readonly flag: string;
}

/** @throws GraftError INVALID_DATASET where the column is not there, or twice. */
export function pickColumn(
  { given, usual, position, flag }: Wanted,
  columns: readonly string[],
  { file, header }: { readonly file: string; readonly header: boolean },
): string {
  const candidates = given === undefined ? (header ? usual : [position]) : [given];
  const name =
    given === undefined ? findUsual(candidates, columns) : columns.find((column) => column === given);
  if (name !== undefined) return assertOnlyOne(name, columns, file);
  throw new GraftError(
    'INVALID_DATASET',
    `Expected ${given === undefined && !header ? `a column ${position}, counted from 0,` : given === undefined ? `one of the columns ${candidates.slice(0, 3).join(', ')}, …` : `a column ${given}`} in ${file} but it has ` +
      `${nameSome(columns.map(shorten))}; name it with ${flag}${header && !holdsObjects(file) ? ', or pass --no-header' : ''}.`,
  );
}

/** Whether the table has the columns of labels that it should have. */
export function hasLabels(columns: readonly string[], { labelColumn, header = true }: DataOptions): boolean {
  if (labelColumn === undefined)
    return header ? findUsual(labelColumns, columns) !== undefined : columns.length > 1;
  return (
    columns.includes(labelColumn) ||
    splitList('label-column', labelColumn).every((name) => columns.includes(name))
  );
}

/** Of a table without a header, names may be whole texts. */
function shorten(name: string): string {
  return shortenText(name, 40);
}
