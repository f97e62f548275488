/** What is to be labelled, wherever a data set may lie: in tables, archives and Parquet files, one, a folder or a list in braces of them. */
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { GraftError, nameSome } from '../errors.js';
import type { Logger } from '../logger.js';
import { labelExtensions } from './archive-label.js';
import { imagesOf, noteLinks, readSamplesAhead, sayLinks } from './archive-samples.js';
import type { ExampleKind } from './dataset.js';
import { holdsImages } from './image-root.js';
import {
  asShard,
  asTable,
  expandBraces,
  type ShardFile,
  shardsOfFolder,
  shardsOfList,
  tablesOfFolder,
} from './shard-files.js';
import { readTableInputs, type TableInput, type TableInputOptions } from './table-inputs.js';

/** Whether a path, by its name, is a table, an archive or a Parquet file, or a list of such in braces. */
export function namesInputs(named: string): boolean {
  return /\.(csv|tsv|tab|jsonl|ndjson|json|tar|zip|parquet)\}?$/i.test(named);
}

/**
 * The files that a path stands for: itself, those of a list in braces, or those of a folder; undefined where it stands for no
 * such file. One that is missing is among them.
 * @throws GraftError as `shardsOfList`, `shardsOfFolder` and `tablesOfFolder`
 */
export async function filesOfInput(named: string): Promise<readonly ShardFile[] | undefined> {
  // As they were named, the inputs are easier to find in what is said of them.
  const shown = (files: readonly ShardFile[] | undefined): readonly ShardFile[] | undefined =>
    path.isAbsolute(named) ? files : files?.map((file) => ({ ...file, path: path.relative('', file.path) }));
  const info = await stat(named).catch(() => undefined);
  if (info?.isDirectory()) return shown((await shardsOfFolder(named)) ?? (await tablesOfFolder(named)));
  if (!namesInputs(named)) return undefined;
  const files = info ? [named] : expandBraces(named);
  if (files.length > 1) return shown(shardsOfList(files));
  const file = asShard(named) ?? asTable(named);
  return file && [{ ...file, path: named }];
}

/**
 * The inputs in the files, in their order. A row without an image or text has its error.
 * @param files - of one kind
 * @throws GraftError of a file that is damaged or holds none
 */
export async function* readInputs(
  files: readonly ShardFile[],
  kind: ExampleKind,
  options: TableInputOptions,
  logger: Logger,
): AsyncGenerator<TableInput> {
  const [first] = files as readonly [ShardFile, ...ShardFile[]];
  if (first.kind === 'tar' || first.kind === 'zip') {
    yield* readArchiveInputs(files, kind, options, logger);
    return;
  }
  for (const { path: file } of files) {
    let rows = 0;
    for await (const row of readTableInputs(file, kind, options, logger)) {
      rows++;
      yield row;
    }
    if (rows === 0) throw new GraftError('INVALID_DATASET', `There is no row in the table ${file}.`);
  }
}

/** Images alone, as a data set in an archive is one of images. Their labels, if any, are not read. */
async function* readArchiveInputs(
  archives: readonly ShardFile[],
  kind: ExampleKind,
  { imageColumn, imageRoot }: TableInputOptions,
  logger: Logger,
): AsyncGenerator<TableInput> {
  const [{ path: named }] = archives as readonly [ShardFile, ...ShardFile[]];
  if (kind !== 'images') {
    throw new GraftError(
      'INVALID_DATASET',
      `${named} is an archive, of which images are read, but the model takes ${kind}; unpack it, and name ${kind === 'texts' ? '.txt files or a table' : 'a table'}.`,
    );
  }
  if (imageRoot !== undefined) throw holdsImages(named);
  const links = { count: 0, first: '' };
  const others: string[] = [];
  let count = 0;
  const samples = readSamplesAhead(archives, {
    imageColumn,
    take(sample, _, extension) {
      if (labelExtensions.includes(extension)) sample.label = extension;
    },
  });
  for await (const listed of samples) {
    noteLinks(links, listed);
    if (others.length === 0) others.push(...listed.strangers);
    const byFolder = listed.samples.every(({ label }) => label === undefined);
    for (const { name, source } of imagesOf(listed.samples, byFolder)) {
      count++;
      yield { path: `${listed.shard.path}/${name}`, source };
    }
  }
  sayLinks(links, logger);
  if (count > 0) return;
  throw new GraftError(
    'INVALID_DATASET',
    `There is no image in ${archives.length === 1 ? `the archive ${named}` : `the ${archives.length} archives ${named} and so on`}${others.length === 0 ? '' : `, but ${nameSome(others, 3)}`}; ` +
      (imageColumn === undefined
        ? 'name one with images in it.'
        : `--image-column is the extension of the images of an archive, and none ends in .${imageColumn}.`),
  );
}
