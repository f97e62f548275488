/**
 * The `imagefolder` convention of Hugging Face's `datasets`: a folder, or each of its parts (train/, test/), holds a table
 * `metadata.csv`, `.jsonl` or `.parquet`, of which a column `file_name` names images by paths relative to it.
 */
import path from 'node:path';
import { GraftError, listNames, nameSome } from '../errors.js';
import type { Logger } from '../logger.js';
import { readFolderContent } from '../sources/list-files.js';
import { ParquetFile } from '../sources/parquet-file.js';
import type { DataOptions } from './read-dataset.js';
import { asShard, asTable, type ShardFile } from './shard-files.js';
import { splitOfFolder } from './split-names.js';
import { hasLabels } from './table-columns.js';
import { readTableRows } from './table-rows.js';

export interface MetadataTables {
  /** All of one kind. */
  readonly tables: readonly ShardFile[];
  /** Column of the images' names. */
  readonly imageColumn: string;
}

/**
 * undefined for a folder without such tables, or with some that hold no labels where none were asked for: captions, say.
 * @throws GraftError INVALID_DATASET for several in one folder, USAGE where they name several images a row.
 */
export async function metadataOfFolder(
  folder: string,
  options: DataOptions,
  logger: Logger,
): Promise<MetadataTables | undefined> {
  if (options.textColumn !== undefined || options.header === false) return undefined;
  const { folders, files } = await readFolderContent(folder);
  const own = tableAmong(folder, files, undefined);
  const tables = own ? [{ ...own, isSplitByFolder: true }] : await tablesOfParts(folder, folders, logger);
  if (tables.length === 0) return undefined;
  const kinds = new Set(tables.map(({ kind }) => kind));
  if (kinds.size > 1) throw severalTables(folder, tables);
  const names = await namesOfColumns(tables[0]!);
  const imageColumn = options.imageColumn ?? fileNameColumn(names, tables[0]!.path);
  if (imageColumn === undefined) return undefined;
  if (options.labelColumn === undefined && !hasLabels(names, options)) return undefined;
  return { tables, imageColumn };
}

async function tablesOfParts(
  folder: string,
  folders: readonly string[],
  logger: Logger,
): Promise<ShardFile[]> {
  if (!folders.every(splitOfFolder)) return [];
  const found: ShardFile[] = [];
  const without: string[] = [];
  for (const name of folders) {
    const inner = path.join(folder, name);
    const table = tableAmong(inner, (await readFolderContent(inner)).files, splitOfFolder(name));
    if (table) found.push(table);
    else without.push(inner);
  }
  if (found.length > 0 && without.length > 0) {
    const [holds, is] = without.length === 1 ? ['holds', 'is'] : ['hold', 'are'];
    logger.warn(
      `${listNames(without)} ${holds} no metadata table, as the other parts do, and ${is} passed over.`,
    );
  }
  return found;
}

/** @throws GraftError INVALID_DATASET where there are several: which one is meant cannot be told. */
function tableAmong(
  folder: string,
  files: readonly string[],
  split: ShardFile['split'],
): ShardFile | undefined {
  const found = files
    .filter((name) => /^metadata\.(csv|jsonl|parquet)$/.test(name))
    .flatMap((name) => asShard(path.join(folder, name)) ?? asTable(path.join(folder, name)) ?? []);
  if (found.length > 1) throw severalTables(folder, found);
  return found[0] && { ...found[0], split };
}

function severalTables(folder: string, tables: readonly ShardFile[]): GraftError {
  return new GraftError(
    'INVALID_DATASET',
    `The folder ${folder} holds ${listNames(tables.map((table) => path.relative(folder, table.path)))}, of which one is enough; remove the other, or name one with --data.`,
  );
}

async function namesOfColumns({ kind, path: file }: ShardFile): Promise<readonly string[]> {
  if (kind === 'parquet') return (await ParquetFile.open(file)).columns.map(({ name }) => name);
  let names: readonly string[] = [];
  const note = (columns: readonly string[]): readonly string[] => {
    names = columns;
    return [];
  };
  for await (const row of readTableRows(file, note)) {
    void row;
    break;
  }
  return names;
}

function fileNameColumn(names: readonly string[], file: string): string | undefined {
  if (names.includes('file_name')) return 'file_name';
  const found = names.filter((name) => name.endsWith('_file_name'));
  if (found.length < 2) return found[0];
  throw new GraftError(
    'USAGE',
    `${file} names several images a row (${nameSome(found)}), and an example is one of them; name it with --image-column.`,
  );
}
