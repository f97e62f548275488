/**
 * A Parquet file page by page: what is decoded at a time is one page of one column, however large the row groups are.
 * hyparquet understands the format; here is what keeps a file that lies about its sizes from filling the memory.
 */
import { stat } from 'node:fs/promises';
import type { ColumnMetaData, FileMetaData, PageHeader, SchemaTree } from 'hyparquet';
import { GraftError, messageOf, unreadable } from '../errors.js';
import { decodeParquetPages, type EncodedPages, type PageBytes } from './decode-parquet-pages.js';
import { columnsOf, type ParquetColumn, type ParquetFeature, readFeatures } from './parquet-columns.js';
import { readFileContent } from './read-file.js';

export interface ParquetPage {
  /** Place of its first row in the file. */
  readonly firstRow: number;
  readonly rows: number;
  /** Once it is decompressed. */
  readonly sizeBytes: number;
  readonly decode: () => Promise<ArrayLike<unknown>>;
}

/** Metadata beyond this is no metadata. */
const largestMetadata = 2 ** 28;
/** Writers aim at a megabyte; a page of a single value is as large as that photo. */
const largestPage = 2 ** 28;
/**
 * Rows, and values of lists, that any file may have: a dictionary and runs make next to nothing of those that repeat. Of
 * more, each takes a byte at the least, or they are made up to fill the memory.
 */
const mostRepeated = 2 ** 24;
/** Header sizes to try: most have 50 bytes, those with statistics of long values thousands. */
const headerBytes = [1024, 65_536, 2 ** 22];

export class ParquetFile {
  readonly path: string;
  readonly rows: number;
  readonly columns: readonly ParquetColumn[];
  readonly #metadata: FileMetaData;
  readonly #schema: SchemaTree;
  readonly #sizeBytes: number;
  /** Pages by row group and column, once they were looked for. */
  readonly #pages = new Map<string, Promise<readonly ParquetPage[]>>();

  /** @throws GraftError FILE_NOT_FOUND, FILE_UNREADABLE or INVALID_DATASET naming the file. */
  static async open(path: string): Promise<ParquetFile> {
    const info = await stat(path).catch((error: unknown) => {
      throw unreadable(path, error);
    });
    if (info.size === 0) throw damaged(path, new Error('it is empty'));
    try {
      const { parquetMetadataAsync, parquetSchema } = await import('hyparquet');
      const file = {
        byteLength: info.size,
        slice: async (start: number, end = info.size): Promise<ArrayBuffer> => {
          if (end - start > largestMetadata) throw new Error(`its metadata claims ${end - start} bytes`);
          return (await readFileContent(path, { slice: { start, length: end - start } })).bytes.buffer;
        },
      };
      const metadata = await parquetMetadataAsync(file, { geoparquet: false });
      return new ParquetFile(path, info.size, metadata, parquetSchema(metadata));
    } catch (error) {
      throw damaged(path, error);
    }
  }

  private constructor(path: string, sizeBytes: number, metadata: FileMetaData, schema: SchemaTree) {
    this.path = path;
    this.rows = metadata.row_groups.reduce((sum, group) => sum + Number(group.num_rows), 0);
    const isPlausible = this.rows <= Math.max(mostRepeated, sizeBytes) && metadata.row_groups.every(hasRows);
    if (!isPlausible) throw new Error(`it claims ${this.rows} rows in ${sizeBytes} bytes`);
    this.#metadata = metadata;
    this.#schema = schema;
    this.#sizeBytes = sizeBytes;
    this.columns = columnsOf(schema);
  }

  /** As `readFeatures`. */
  get features(): Readonly<Record<string, ParquetFeature>> {
    return readFeatures(this.#metadata);
  }

  /** Pages of a column in the order of the rows. @throws GraftError INVALID_DATASET. */
  async *pages(column: string): AsyncGenerator<ParquetPage> {
    for (const group of this.#metadata.row_groups.keys()) yield* await this.#pagesOf(group, column);
  }

  /** The page that holds a row. @throws GraftError INVALID_DATASET. */
  async pageOf(column: string, row: number): Promise<ParquetPage> {
    let firstRow = 0;
    for (const [group, { num_rows: rows }] of this.#metadata.row_groups.entries()) {
      if (row < firstRow + Number(rows)) {
        const pages = await this.#pagesOf(group, column);
        return pages.find((page) => row < page.firstRow + page.rows)!;
      }
      firstRow += Number(rows);
    }
    throw damaged(this.path, new Error(`it has no row ${row}`));
  }

  #pagesOf(group: number, column: string): Promise<readonly ParquetPage[]> {
    const key = `${group} ${column}`;
    let pages = this.#pages.get(key);
    if (!pages) {
      pages = this.#findPages(group, column).catch((error: unknown) => {
        throw damaged(this.path, error, `column ${column}`);
      });
      this.#pages.set(key, pages);
    }
    return pages;
  }

  /** Reads the page headers of a column chunk, and passes over what is between them. */
  async #findPages(group: number, column: string): Promise<ParquetPage[]> {
    const { row_groups: groups } = this.#metadata;
    const rowGroup = groups[group]!;
    const { leaf, kind } = this.columns.find(({ name }) => name === column) ?? { leaf: column };
    const chunk = rowGroup.columns.find(
      (candidate) => candidate.meta_data?.path_in_schema.join('.') === leaf,
    );
    const meta = chunk?.meta_data;
    if (!meta || chunk.file_path) throw new Error('it is not in this file');
    const groupRows = Number(rowGroup.num_rows);
    const groupStart = groups.slice(0, group).reduce((sum, { num_rows: rows }) => sum + Number(rows), 0);
    const dictionaryOffset = Number(meta.dictionary_page_offset ?? 0);
    let at = dictionaryOffset > 0 ? dictionaryOffset : Number(meta.data_page_offset);
    const end = at + Number(meta.total_compressed_size);
    if (!(at > 0 && end <= this.#sizeBytes)) throw new Error(`its bytes ${at} to ${end} are not in the file`);
    if (kind === 'list')
      return this.#listPage({ meta, start: at, end, firstRow: groupStart, rows: groupRows });
    const pages: ParquetPage[] = [];
    let dictionary: PageBytes | undefined;
    let found = 0;
    while (found < groupRows) {
      if (at >= end) throw new Error(`its pages hold ${found} of ${groupRows} rows`);
      const { page, sizeBytes, isDictionary, values } = await this.#nextPage(at, end);
      at += page.length;
      if (isDictionary) dictionary = page;
      if (values === undefined) continue;
      if (found + values > groupRows) {
        throw new Error(`a page claims ${values} values where ${groupRows - found} rows are left`);
      }
      const firstRow = groupStart + found;
      found += values;
      if (values === 0) continue;
      const before = dictionary;
      const parts = before ? [before, page] : [page];
      const decode = () => this.#decode({ meta, parts, rows: values });
      pages.push({ firstRow, rows: values, sizeBytes, decode });
    }
    return pages;
  }

  /** A row of lists may go on in the next page, so all pages of the chunk are one. */
  async #listPage({ meta, start, end, firstRow, rows }: ListChunk): Promise<ParquetPage[]> {
    if (rows === 0) return [];
    let sizeBytes = 0;
    let values = 0;
    for (let at = start; at < end;) {
      const next = await this.#nextPage(at, end);
      at += next.page.length;
      sizeBytes += next.sizeBytes;
      values += next.values ?? 0;
      if (sizeBytes > largestPage) throw new Error(`its lists claim more than ${largestPage} bytes`);
      if (values > Math.max(mostRepeated, this.#sizeBytes))
        throw new Error(`its lists claim ${values} values in ${this.#sizeBytes} bytes`);
    }
    const decode = () => this.#decode({ meta, parts: [{ start, length: end - start }], rows });
    return [{ firstRow, rows, sizeBytes, decode }];
  }

  async #nextPage(at: number, end: number): Promise<FoundPage> {
    const { header, length } = await this.#readHeader(at, end);
    const page = { start: at, length: length + header.compressed_page_size };
    const sizeBytes = header.uncompressed_page_size;
    const fits = header.compressed_page_size >= 0 && page.start + page.length <= end;
    if (!fits) throw new Error(`a page at byte ${at} ends outside of its column`);
    if (!(sizeBytes >= 0 && sizeBytes <= largestPage)) {
      throw new Error(`a page at byte ${at} claims ${sizeBytes} bytes, more than ${largestPage}`);
    }
    const values = header.data_page_header?.num_values ?? header.data_page_header_v2?.num_values;
    if (!((values ?? 0) >= 0)) throw new Error(`a page at byte ${at} claims ${values} values`);
    return { page, sizeBytes, isDictionary: header.type === 'DICTIONARY_PAGE', values };
  }

  #decode(pages: Pick<EncodedPages, 'meta' | 'parts' | 'rows'>): Promise<ArrayLike<unknown>> {
    return decodeParquetPages({ ...pages, path: this.path, schema: this.#schema }).catch((error: unknown) => {
      throw damaged(this.path, error, `column ${pages.meta.path_in_schema.join('.')}`);
    });
  }

  async #readHeader(at: number, end: number): Promise<{ header: PageHeader; length: number }> {
    const { parquetHeader } = await import('hyparquet/src/column.js');
    for (const size of headerBytes) {
      const length = Math.min(size, end - at);
      const { bytes } = await readFileContent(this.path, { slice: { start: at, length } });
      const reader = { view: new DataView(bytes.buffer), offset: 0 };
      try {
        return { header: parquetHeader(reader), length: reader.offset };
      } catch (error) {
        // Cut off by the window, or no header at all: a larger window tells.
        if (length === end - at || size === headerBytes.at(-1)) {
          throw new Error(`no page begins at byte ${at} (${messageOf(error)})`, { cause: error });
        }
      }
    }
    throw new Error(`no page begins at byte ${at}`);
  }
}

interface FoundPage {
  readonly page: PageBytes;
  /** Once it is decompressed. */
  readonly sizeBytes: number;
  readonly isDictionary: boolean;
  /** undefined where it is no page of data. */
  readonly values: number | undefined;
}

interface ListChunk {
  readonly meta: ColumnMetaData;
  readonly start: number;
  readonly end: number;
  readonly firstRow: number;
  readonly rows: number;
}

function hasRows({ num_rows: rows }: { readonly num_rows: bigint }): boolean {
  return Number(rows) >= 0;
}

function damaged(path: string, cause: unknown, where?: string): GraftError {
  if (cause instanceof GraftError) return cause;
  const reason = messageOf(cause).replace(/\.$/, '');
  return new GraftError(
    'INVALID_DATASET',
    `The Parquet file ${path} cannot be read${where === undefined ? '' : `, ${where}`}: ${reason}.`,
    { cause },
  );
}
