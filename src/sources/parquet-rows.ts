/** The bytes that one row of a Parquet file holds, or the UTF-8 of its text. Rows are asked for nearly in order, so the latest pages are kept. */
import type { BigIntStats } from 'node:fs';
import { stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { GraftError, unreadable } from '../errors.js';
import { ParquetFile } from './parquet-file.js';
import { readFileContent } from './read-file.js';

/** Of decoded pages, all files together; the page asked for last is kept whatever its size. */
const pageMemory = 64 * 2 ** 20;
const openFiles = 8;

interface OpenFile {
  readonly state: string;
  readonly file: Promise<ParquetFile>;
}

interface KeptPage {
  readonly sizeBytes: number;
  readonly values: Promise<ArrayLike<unknown>>;
}

/** Both in the order of their latest use. */
const files = new Map<string, OpenFile>();
const pages = new Map<string, KeptPage>();

/**
 * An image of the `datasets` library that was not embedded has its `path` beside its empty `bytes`: that file is read.
 * @param mayRead - called with the size of the row's page before it is read
 * @returns `info` is absent where the bytes are from another file than the one named
 * @throws GraftError FILE_NOT_FOUND, FILE_UNREADABLE, INVALID_DATASET, or INVALID_IMAGE where the row holds nothing.
 */
export async function readParquetRow(
  { file, column, row }: { readonly file: string; readonly column: string; readonly row: number },
  mayRead?: (sizeBytes: number) => Promise<void>,
): Promise<{ bytes: Uint8Array<ArrayBuffer>; info?: BigIntStats }> {
  const info = await stat(file, { bigint: true }).catch((error: unknown) => {
    throw unreadable(file, error);
  });
  const state = [info.dev, info.ino, info.size, info.mtimeNs].join();
  const parquet = await openFile(file, state);
  const bytes = await valueOf(parquet, state, column, row, mayRead);
  if (bytes instanceof Uint8Array) return { bytes: Uint8Array.from(bytes), info };
  if (typeof bytes === 'string') return { bytes: new TextEncoder().encode(bytes), info };
  const pathColumn = column.replace(/(^|\.)bytes$/, '$1path');
  const isPathKnown = pathColumn !== column && parquet.columns.some(({ name }) => name === pathColumn);
  const place = isPathKnown ? await valueOf(parquet, state, pathColumn, row) : undefined;
  if (typeof place === 'string' && place !== '') {
    return { bytes: (await readFileContent(resolve(dirname(file), place))).bytes };
  }
  throw new GraftError('INVALID_IMAGE', `Row ${row} of ${file} holds no bytes in its column ${column}.`);
}

async function valueOf(
  parquet: ParquetFile,
  state: string,
  column: string,
  row: number,
  mayRead?: (sizeBytes: number) => Promise<void>,
): Promise<unknown> {
  const page = await parquet.pageOf(column, row);
  await mayRead?.(page.sizeBytes);
  const key = `${parquet.path}\0${column}\0${page.firstRow}\0${state}`;
  let kept = pages.get(key);
  if (kept) pages.delete(key);
  else kept = { sizeBytes: page.sizeBytes, values: page.decode() };
  pages.set(key, kept);
  forgetOldPages();
  return (await kept.values)[row - page.firstRow];
}

async function openFile(path: string, state: string): Promise<ParquetFile> {
  let open = files.get(path);
  if (open?.state !== state) open = { state, file: ParquetFile.open(path) };
  files.delete(path);
  files.set(path, open);
  if (files.size > openFiles) files.delete(files.keys().next().value!);
  return open.file;
}

function forgetOldPages(): void {
  let total = 0;
  for (const { sizeBytes } of pages.values()) total += sizeBytes;
  for (const [key, { sizeBytes }] of pages) {
    if (total <= pageMemory || pages.size === 1) return;
    pages.delete(key);
    total -= sizeBytes;
  }
}
