/** Rows of a Parquet file, of some of its columns. */
import type { ParquetColumn } from '../sources/parquet-columns.js';
import type { ParquetFile } from '../sources/parquet-file.js';

/** The columns side by side; their pages begin at different rows. */
export async function* rowsOf(
  file: ParquetFile,
  columns: readonly ParquetColumn[],
): AsyncGenerator<{ row: number; values: readonly unknown[] }> {
  const readers = columns.map(({ name }) => valuesOf(file, name));
  try {
    for (let row = 0; row < file.rows; row++) {
      const values: unknown[] = [];
      for (const reader of readers) {
        // Awaiting each of a million values would take seconds.
        if (reader.at === reader.page.length) await reader.turn();
        values.push(reader.page[reader.at++]);
      }
      yield { row, values };
    }
  } finally {
    for (const reader of readers) await reader.close();
  }
}

function valuesOf(file: ParquetFile, column: string) {
  const pages = file.pages(column);
  return {
    page: [] as ArrayLike<unknown>,
    at: 0,
    async turn(): Promise<void> {
      const next = await pages.next();
      // Pages hold all rows of the file, or finding them fails.
      this.page = await (next.value as { decode(): Promise<ArrayLike<unknown>> }).decode();
      this.at = 0;
    },
    close: () => pages.return(undefined),
  };
}

/** Of a value of strings, which writers may leave as bytes. */
export function rawTextOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  return value instanceof Uint8Array ? Buffer.from(value).toString('utf8') : undefined;
}

/** Without white space at its ends. */
export function textOf(value: unknown): string | undefined {
  return rawTextOf(value)?.trim();
}
