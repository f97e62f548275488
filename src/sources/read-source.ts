import type { BigIntStats } from 'node:fs';
import { fetchUrl } from './fetch-url.js';
import { readParquetRow } from './parquet-rows.js';
import { type ReadFileOptions, readFileContent } from './read-file.js';
import type { Located } from './source.js';

export interface SourceContent {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** State of the file the bytes came from, from before they were read; absent where no one file tells of a change. */
  readonly info?: BigIntStats;
}

/** As for one file; of other sources, reading begins likewise once it may where the number of bytes is known before. */
export type ReadOptions = Pick<ReadFileOptions, 'mayRead' | 'pace'>;

/**
 * The bytes of one example, wherever they lie.
 * @throws GraftError FILE_NOT_FOUND, FILE_UNREADABLE, or INVALID_DATASET for a damaged Parquet file, naming the file.
 */
export async function readSource(
  { path, source }: Located,
  { mayRead, pace }: ReadOptions = {},
): Promise<SourceContent> {
  switch (source?.kind) {
    case undefined:
      return readFileContent(path, { mayRead, pace });
    case 'slice':
      return readFileContent(source.file, { slice: source, mayRead, pace });
    case 'parquet':
      return readParquetRow(source, mayRead);
    case 'url':
      return { bytes: await fetchUrl(source.url) };
    case 'text':
      return { bytes: new TextEncoder().encode(source.text) };
  }
}
