import type { BigIntStats } from 'node:fs';
import { fetchUrl } from './fetch-url.js';
import { readParquetRow } from './parquet-rows.js';
import { readFileContent } from './read-file.js';
import { readZipMember } from './read-zip-member.js';
import type { Located } from './source.js';
import { bytesOfText, joinPair } from './text-pair.js';

export interface SourceContent {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** State of the file the bytes came from, from before they were read; absent where no one file tells of a change. */
  readonly info?: BigIntStats;
}

/**
 * The bytes of one example, wherever they lie.
 * @param mayRead - called with the number of bytes where it is known before; reading begins when it resolves
 * @param signal - ends the wait for a server
 * @throws GraftError FILE_NOT_FOUND, FILE_UNREADABLE, or INVALID_DATASET for a damaged Parquet file, naming the file; INTERRUPTED.
 */
export async function readSource(
  { path, source }: Located,
  mayRead?: (sizeBytes: number) => Promise<void>,
  signal?: AbortSignal,
): Promise<SourceContent> {
  switch (source?.kind) {
    case undefined:
      return readFileContent(path, { mayRead });
    case 'slice':
      return readFileContent(source.file, { slice: source, mayRead });
    case 'zip':
      return readZipMember(source, mayRead);
    case 'parquet':
      return source.second === undefined
        ? readParquetRow(source, mayRead)
        : readParquetPair(source, source.second, mayRead);
    case 'url':
      return { bytes: await fetchUrl(source.url, { signal }) };
    case 'text':
      return { bytes: bytesOfText(source.text) };
    case 'pair':
      return { bytes: bytesOfText(source.texts) };
  }
}

async function readParquetPair(
  source: { readonly file: string; readonly column: string; readonly row: number },
  second: string,
  mayRead?: (sizeBytes: number) => Promise<void>,
): Promise<SourceContent> {
  const { bytes, info } = await readParquetRow(source, mayRead);
  const other = await readParquetRow({ ...source, column: second });
  return { bytes: joinPair(bytes, other.bytes), ...(info && { info }) };
}
