/** Values of a page of a Parquet column, by hyparquet: no more of the file than the page is read, or decoded. */
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import type { ColumnMetaData, Compressors, SchemaTree } from 'hyparquet';
import { readFileContent } from './read-file.js';

/** Where a page lies in the file, header and all. */
export interface PageBytes {
  readonly start: number;
  readonly length: number;
}

export interface EncodedPages {
  readonly path: string;
  readonly schema: SchemaTree;
  /** The column. */
  readonly meta: ColumnMetaData;
  /** The page, behind its dictionary where it has one. */
  readonly parts: readonly PageBytes[];
  /** Values of the page. */
  readonly rows: number;
}

/** @throws Error telling what is wrong with the page; GraftError where the file cannot be read. */
export async function decodeParquetPages({
  path,
  schema,
  meta,
  parts,
  rows,
}: EncodedPages): Promise<ArrayLike<unknown>> {
  const [{ readColumn }, { DEFAULT_PARSERS }, { getTreePath }, compressors] = await Promise.all([
    import('hyparquet/src/column.js'),
    import('hyparquet/src/convert.js'),
    import('hyparquet/src/schema.js'),
    loadCompressors(),
  ]);
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const slice of parts) {
    bytes.set((await readFileContent(path, { slice })).bytes, at);
    at += slice.length;
  }
  const schemaPath = getTreePath(schema, meta.path_in_schema);
  const { data } = readColumn(
    { view: new DataView(bytes.buffer), offset: 0 },
    { groupStart: 0, selectStart: 0, selectEnd: rows, groupRows: rows },
    {
      pathInSchema: meta.path_in_schema,
      type: meta.type,
      element: schemaPath.at(-1)!.element,
      schemaPath,
      codec: meta.codec,
      parsers: DEFAULT_PARSERS,
      compressors,
      utf8: false,
    },
  );
  const [values, ...others] = data;
  if (!values || others.length > 0 || values.length !== rows) throw new Error('a page lacks values');
  // A value inside a struct, and a list, comes in one list for each optional struct around it, itself among them.
  const levels = schemaPath.map(({ element }) => element.repetition_type);
  const repeated = levels.indexOf('REPEATED');
  if (repeated > 0) {
    const depth = levels.slice(0, repeated).filter((level) => level === 'OPTIONAL').length;
    return Array.from(values as ArrayLike<unknown>, (value) => inside(value, depth));
  }
  return schemaPath.length > 2 ? Array.from(values as ArrayLike<unknown>, unwrapped) : values;
}

function unwrapped(value: unknown): unknown {
  return Array.isArray(value) ? unwrapped(value[0]) : value;
}

/** Undefined where a list on the way is empty: what it stands for is null. */
function inside(value: unknown, depth: number): unknown {
  return depth === 0 || value === undefined ? value : inside((value as readonly unknown[])[0], depth - 1);
}

let compressors: Promise<Compressors> | undefined;

/** None of them writes more than the page's header says. */
function loadCompressors(): Promise<Compressors> {
  compressors ??= import('hyparquet-compressors').then(({ compressors: all, decompressZstd }) => ({
    ...all,
    GZIP: (input, maxOutputLength) => gunzipSync(input, { maxOutputLength }),
    BROTLI: (input, maxOutputLength) => brotliDecompressSync(input, { maxOutputLength }),
    ZSTD: (input, length) => decompressZstd(input, new Uint8Array(length)),
  }));
  return compressors;
}
