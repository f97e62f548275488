import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { GraftError, unreadable } from '../errors.js';
import { isImagePath } from '../image/image-extensions.js';
import { type Logger, silentLogger } from '../logger.js';
import type { Dataset } from './dataset.js';
import { hintOfSingleClass } from './explain-layout.js';
import { interpretLabels, type LabelOptions } from './interpret-labels.js';
import { metadataOfFolder } from './metadata-tables.js';
import { readFolder } from './read-folder.js';
import { readParquet } from './read-parquet.js';
import { readTables } from './read-table.js';
import { readArchives } from './read-archives.js';
import { sayLookAlikes } from './say-look-alikes.js';
import {
  asShard,
  expandBraces,
  isCompressed,
  type ShardFile,
  shardsOfFolder,
  shardsOfList,
  tablesOfFolder,
} from './shard-files.js';

export interface DataOptions extends LabelOptions {
  /** Columns of a table, by name, or by number from 0 where there is no header. */
  readonly imageColumn?: string | undefined;
  /** Folder of the images that a table names. Default: the table's own. */
  readonly imageRoot?: string | undefined;
  /** Two, with a comma between, hold pairs of texts. */
  readonly textColumn?: string | undefined;
  /** Several, with commas between, are numbers to be predicted, or labels that a 1 stands for. */
  readonly labelColumn?: string | undefined;
  /** Column that tells what belongs together and must not lie in two parts. */
  readonly groupColumn?: string | undefined;
  readonly header?: boolean | undefined;
  /** Classes that there must be; one is enough to be judged. Default: 2 where an example has one of them. */
  readonly fewestClasses?: number | undefined;
}

/**
 * A data set of images or of texts, from a folder with one folder a class; from a CSV, TSV or JSONL table of image paths,
 * texts or pairs of texts, and labels; or from tar or zip archives or Parquet files. These and tables: one, a folder of them, or a list in braces such
 * as `train-{000..011}.tar` or `{train,test}.csv`.
 * @throws GraftError INVALID_DATASET, FILE_NOT_FOUND
 */
export async function readDataset(
  path: string,
  options: DataOptions = {},
  logger: Logger = silentLogger,
): Promise<Dataset> {
  if (options.imageColumn !== undefined && options.textColumn !== undefined) {
    throw new GraftError('USAGE', '--image-column and --text-column do not go together; name one of them.');
  }
  const dataset = interpretLabels(await readAny(path, options, logger), options, logger);
  if (options.groupColumn !== undefined && dataset.examples.at(0).group === undefined) {
    throw new GraftError(
      'USAGE',
      `--group-column is for tables (CSV, TSV, JSONL, Parquet), but ${path} is none; list its ${dataset.kind} in one.`,
    );
  }
  if (dataset.task !== 'regression') sayLookAlikes(dataset.classes, path, logger);
  const isOneOf = dataset.task === 'single' || dataset.task === 'ordered';
  const needed = options.fewestClasses ?? (isOneOf ? 2 : 1);
  if (dataset.classes.length < needed) {
    throw new GraftError(
      'INVALID_DATASET',
      `Expected two classes or more in ${path} but found ${dataset.classes.length === 1 ? `a single class, ${dataset.classes[0]}` : 'none'}; ` +
        (dataset.kind !== 'images'
          ? `give every ${dataset.kind.slice(0, -1)} the label of its class.`
          : 'give the images of each class a folder, or in a table a label, of their own.') +
        (dataset.classes.length === 1 ? await hintOfSingleClass(dataset.root, dataset.classes[0]!) : ''),
    );
  }
  return dataset;
}

async function readAny(path: string, options: DataOptions, logger: Logger): Promise<Dataset> {
  const info = await stat(path).catch((error: unknown) => {
    const files = expandBraces(path);
    if (files.length > 1) return files;
    throw unreadable(path, error);
  });
  if (Array.isArray(info)) return readShards(shardsOfList(info), path, options, logger);
  const metadata = info.isDirectory() ? await metadataOfFolder(path, options, logger) : undefined;
  if (metadata)
    return readShards(metadata.tables, path, { ...options, imageColumn: metadata.imageColumn }, logger);
  const shard = info.isDirectory() ? undefined : asShard(path);
  const shards = shard ? [shard] : info.isDirectory() ? await shardsOfFolder(path) : undefined;
  if (shards) return readShards(shards, path, options, logger);
  if (info.isDirectory()) {
    const tables = await tablesOfFolder(path);
    if (tables) return readTables(tables, resolve(path), options, logger);
    refuseColumns(path, options);
    return readFolder(path, logger);
  }
  if (isCompressed(path)) {
    throw new GraftError(
      'INVALID_DATASET',
      `Expected a folder, a table (.csv, .tsv, .jsonl), .tar, .zip or .parquet files for --data but ${path} is compressed; unpack it first.`,
    );
  }
  if (isImagePath(path)) {
    throw new GraftError(
      'INVALID_DATASET',
      `Expected a folder with one folder a class, a table (.csv, .tsv, .jsonl), .tar, .zip or .parquet files for --data but ${path} is named as a single image.`,
    );
  }
  // Alone a table is the whole data set, whatever it is called.
  return readTables([{ path, split: undefined }], resolve(path), options, logger);
}

/** @throws GraftError USAGE for flags of tables where a folder is one of classes. */
function refuseColumns(
  path: string,
  { imageColumn, imageRoot, textColumn, labelColumn, header }: DataOptions,
): void {
  const given = {
    'image-column': imageColumn,
    'image-root': imageRoot,
    'text-column': textColumn,
    'label-column': labelColumn,
    'no-header': header === false || undefined,
  };
  const flag = Object.entries(given).find(([, value]) => value !== undefined)?.[0];
  if (flag === undefined) return;
  throw new GraftError(
    'USAGE',
    `--${flag} is for tables, but ${path} is a folder with one folder a class; leave it away, or name a table.`,
  );
}

function readShards(
  shards: readonly ShardFile[],
  path: string,
  options: DataOptions,
  logger: Logger,
): Promise<Dataset> {
  const read = { tar: readArchives, zip: readArchives, parquet: readParquet, table: readTables }[
    shards[0]!.kind
  ];
  return read(shards, resolve(path), options, logger);
}
