/** Which files a data set consists of: one archive or table, a list of them in braces, or a folder of them. */
import path from 'node:path';
import { GraftError, nameSome } from '../errors.js';
import { readFolderContent } from '../sources/list-files.js';
import type { Split } from './dataset.js';
import { splitOfFile, splitOfFolder } from './split-names.js';

export type ShardKind = 'tar' | 'zip' | 'parquet' | 'table';

export interface ShardFile {
  readonly path: string;
  readonly kind: ShardKind;
  /** By the first word of its name, or the folder it lies in. @example 'train-00000.tar', 'test/0.tar' */
  readonly split?: Split | undefined;
  /** Of a table: whether the first folder of an image's path tells its part. */
  readonly isSplitByFolder?: boolean;
}

/** More shards than anybody has; a range with a digit too many must not fill the memory. */
const mostShards = 1_000_000;

export function shardKind(file: string): ShardKind | undefined {
  const extension = /\.(tar|zip|parquet)$/i.exec(file)?.[1]?.toLowerCase();
  return extension as ShardKind | undefined;
}

/** A path as a shard of its own; undefined where it is no archive by its extension. */
export function asShard(file: string): ShardFile | undefined {
  const kind = shardKind(file);
  return kind && { path: path.resolve(file), kind, split: splitOfFile(path.basename(file)) };
}

/** The same of a table. */
export function asTable(file: string): ShardFile | undefined {
  if (!/\.(csv|tsv|tab|jsonl|ndjson|json)$/i.test(file)) return undefined;
  return { path: path.resolve(file), kind: 'table', split: splitOfFile(path.basename(file)) };
}

/** Whether nothing in the file can be read in place, by its name. */
export function isCompressed(file: string): boolean {
  return /\.(tgz|gz|bz2|xz|zst|7z|rar)$/i.test(file);
}

/** Whether the file is a CSV, TSV or JSONL table by its name. */
export function isTable(file: string): boolean {
  // A .json may be anything.
  return !/\.json$/i.test(file) && asTable(file) !== undefined;
}

/**
 * The tables of a folder without class folders, each of one part by its name: `train.csv`, `validation.csv`. undefined for
 * any other folder.
 * @throws GraftError INVALID_DATASET where there are tables, but by their names not of which part.
 */
export async function tablesOfFolder(folder: string): Promise<ShardFile[] | undefined> {
  const { folders, files } = await readFolderContent(folder);
  if (folders.length > 0) return undefined;
  const tables = files.filter(isTable).flatMap((name) => asTable(path.join(folder, name)) ?? []);
  if (tables.length === 0) return undefined;
  const parts = tables.filter(({ split }) => split !== undefined);
  if (parts.length === tables.length) return tables;
  const others = tables.filter(({ split }) => split === undefined);
  const shown = nameSome(
    tables.map((table) => path.basename(table.path)),
    4,
  );
  // Beside the parts of a competition lies what is to be handed in.
  const list = parts.map((table) => path.basename(table.path)).join();
  throw new GraftError(
    'INVALID_DATASET',
    `The folder ${folder} holds tables (${shown}); name the one that is meant, ` +
      (parts.length > 1
        ? `or those that are: '${path.join(folder, `{${list}}`)}' is without ${nameSome(
            others.map((table) => path.basename(table.path)),
            2,
          )}.`
        : 'or call them train.csv, validation.csv and test.csv.'),
  );
}

/**
 * The shards of a folder that holds nothing else but folders of a split's name, or `data` (Hugging Face's layout), with
 * shards in them. undefined for any other folder: shards beside class folders are what those were unpacked from, and zips
 * beside tables what the tables list.
 */
export async function shardsOfFolder(folder: string): Promise<ShardFile[] | undefined> {
  const { folders, files } = await readFolderContent(folder);
  if (!folders.every((name) => splitOfFolder(name) ?? name === 'data')) return undefined;
  const found = shardsAmong(folder, files, undefined);
  for (const name of folders) {
    const inner = path.join(folder, name);
    const content = await readFolderContent(inner);
    if (content.folders.length > 0) return undefined;
    // One by one: as arguments of one call, more than some 120,000 overflow the stack.
    for (const shard of shardsAmong(inner, content.files, splitOfFolder(name))) found.push(shard);
  }
  if (found.some(({ kind }) => kind === 'zip') && files.some(isTable)) return undefined;
  const kinds = new Set(found.map(({ kind }) => kind));
  if (kinds.size > 1) {
    throw new GraftError(
      'INVALID_DATASET',
      `The folder ${folder} holds shards of several kinds (${[...kinds].join(', ')}); name those that are meant, such as '${folder}/train-{0..9}.tar'.`,
    );
  }
  return found.length > 0 ? found : undefined;
}

function shardsAmong(folder: string, files: readonly string[], split: Split | undefined): ShardFile[] {
  return files.flatMap((name) => {
    const shard = asShard(path.join(folder, name));
    return shard ? [{ ...shard, split: split ?? shard.split }] : [];
  });
}

/**
 * Ranges and lists in braces, as shells and WebDataset write them.
 * @example expandBraces('a-{08..10}.tar') // ['a-08.tar', 'a-09.tar', 'a-10.tar']
 * @example expandBraces('{train,val}.tar') // ['train.tar', 'val.tar']
 */
export function expandBraces(pattern: string): string[] {
  const match = /\{(?:(\d{1,15})\.\.(\d{1,15})|([^{}]*,[^{}]*))\}/.exec(pattern);
  if (!match) return [pattern];
  const [whole, first, last, list] = match;
  const choices = list === undefined ? range(first!, last!, pattern) : list.split(',');
  const before = pattern.slice(0, match.index);
  const rests = expandBraces(pattern.slice(match.index + whole.length));
  if (choices.length * rests.length > mostShards) throw tooMany(pattern);
  return choices.flatMap((choice) => rests.map((rest) => before + choice + rest));
}

/** What braces stood for. @throws GraftError USAGE where the files are not of one kind. */
export function shardsOfList(files: readonly string[]): ShardFile[] {
  const of = (name: string): ShardFile | undefined => asShard(name) ?? asTable(name);
  return files.map((file) => {
    const shard = of(file);
    if (shard && shard.kind === of(files[0]!)?.kind) return shard;
    throw new GraftError(
      'USAGE',
      `A list in braces is one of .tar, .zip or .parquet files, or of tables, but ${file} is none of its kind.`,
    );
  });
}

function range(first: string, last: string, pattern: string): string[] {
  const count = Number(last) - Number(first) + 1;
  if (count < 1)
    throw new GraftError('USAGE', `The range {${first}..${last}} in ${pattern} counts downwards.`);
  if (count > mostShards) throw tooMany(pattern);
  const width = first.startsWith('0') ? first.length : 0;
  return Array.from({ length: count }, (_, i) => String(Number(first) + i).padStart(width, '0'));
}

function tooMany(pattern: string): GraftError {
  return new GraftError('USAGE', `${pattern} stands for more than ${mostShards} files.`);
}
