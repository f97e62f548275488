/**
 * The examples of a data set, held as columns: a list of a million costs some tens of megabytes. An `Example` is made
 * when it is asked for and looks its fields up only when they are read. A choice of rows shares the columns.
 */
import { invalidArgument } from '../errors.js';
import type { Source } from '../sources/source.js';
import type { Example, Split } from './dataset.js';
import type { TextColumn } from './text-column.js';

export interface ExampleColumns {
  readonly paths: TextColumn;
  readonly labels: Uint32Array;
  /** Place in `splitNames` + 1, 0 where the data set does not say. This and what follows may be shorter than the list. */
  readonly splits: Uint8Array;
  /** Number of the group + 1, 0 where there is none. */
  readonly groups: Uint32Array;
  readonly sources: SourceColumns;
}

/** Where bytes lie that are no file of their own. */
export interface SourceColumns {
  /** Place in `places` + 1, 0 for a file of its own. */
  readonly place: Uint32Array;
  /** What the examples of one archive have in common. */
  readonly places: readonly SourcePlace[];
  /** First byte of a slice or of a file in a zip, row of a Parquet file, or place in `texts`. */
  readonly start: Float64Array;
  /** Bytes of a slice, or of a file in a zip as it is packed. */
  readonly length: Float64Array;
  /** Bytes of a file of a zip, and their checksum. */
  readonly size: Float64Array;
  readonly checksum: Uint32Array;
  /** What is its own content, by the number in `start`; of a pair the second text follows the first. */
  readonly texts: TextColumn;
}

export type SourcePlace =
  | { readonly kind: 'url' }
  | { readonly kind: 'text' }
  | { readonly kind: 'pair' }
  | { readonly kind: 'slice'; readonly file: string }
  | { readonly kind: 'zip'; readonly file: string }
  | {
      readonly kind: 'parquet';
      readonly file: string;
      readonly column: string;
      readonly second?: string | undefined;
    };

export const splitNames: readonly Split[] = ['train', 'validation', 'test'];

export class ExampleList implements Iterable<Example> {
  readonly length: number;
  readonly #columns: ExampleColumns;
  /** The chosen rows of the columns; absent: all. */
  readonly #rows: Uint32Array | undefined;

  constructor(columns: ExampleColumns, rows?: Uint32Array) {
    this.#columns = columns;
    this.#rows = rows;
    this.length = rows?.length ?? columns.labels.length;
  }

  /** @throws GraftError INVALID_ARGUMENT for a row that is not there. */
  at(row: number): Example {
    if (!(row >= 0 && row < this.length)) throw invalidArgument('row', `a row below ${this.length}`, row);
    return new StoredExample(this.#columns, this.#rows ? this.#rows[row]! : row);
  }

  *[Symbol.iterator](): Generator<Example> {
    for (let row = 0; row < this.length; row++) yield this.at(row);
  }

  /** Rows `start` up to, without, `end`. */
  slice(start: number, end: number): ExampleList {
    return this.choose(Uint32Array.from({ length: end - start }, (_, i) => start + i));
  }

  /** These rows, in this order. */
  choose(rows: ArrayLike<number>): ExampleList {
    const own = this.#rows;
    return new ExampleList(
      this.#columns,
      Uint32Array.from(rows, (row) => (own ? own[row]! : row)),
    );
  }

  /** Rows of which `isWanted` holds. */
  rowsWhere(isWanted: (example: Example, row: number) => boolean): number[] {
    const rows: number[] = [];
    for (let row = 0; row < this.length; row++) if (isWanted(this.at(row), row)) rows.push(row);
    return rows;
  }

  /** The same examples, label i being `numberOf[i]` now. */
  relabel(numberOf: ArrayLike<number>): ExampleList {
    const labels = this.#columns.labels.map((label) => numberOf[label]!);
    return new ExampleList({ ...this.#columns, labels }, this.#rows);
  }
}

class StoredExample implements Example {
  readonly #columns: ExampleColumns;
  readonly #row: number;

  constructor(columns: ExampleColumns, row: number) {
    this.#columns = columns;
    this.#row = row;
  }

  get path(): string {
    return this.#columns.paths.at(this.#row);
  }

  get label(): number {
    return this.#columns.labels[this.#row]!;
  }

  get split(): Split | undefined {
    return splitNames[(this.#columns.splits[this.#row] ?? 0) - 1];
  }

  get group(): number | undefined {
    const number = this.#columns.groups[this.#row] ?? 0;
    return number === 0 ? undefined : number - 1;
  }

  get source(): Source | undefined {
    const { sources } = this.#columns;
    const place = sources.places[(sources.place[this.#row] ?? 0) - 1];
    switch (place?.kind) {
      case 'url':
        return { kind: 'url', url: this.path };
      case 'text':
        return { kind: 'text', text: sources.texts.at(sources.start[this.#row]!) };
      case 'pair': {
        const start = sources.start[this.#row]!;
        return { kind: 'pair', texts: [sources.texts.at(start), sources.texts.at(start + 1)] };
      }
      case 'slice':
        return { ...place, start: sources.start[this.#row]!, length: sources.length[this.#row]! };
      case 'zip':
        return {
          ...place,
          start: sources.start[this.#row]!,
          length: sources.length[this.#row]!,
          size: sources.size[this.#row]!,
          checksum: sources.checksum[this.#row]!,
        };
      case 'parquet':
        return { ...place, row: sources.start[this.#row]! };
      case undefined:
        return undefined;
    }
  }
}
