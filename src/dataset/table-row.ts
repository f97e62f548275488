/** What every table gives, whatever it is written in. */

export interface TableRow {
  /** Its number, from 1, the header counted, empty lines not. */
  readonly row: number;
  /** Of the columns asked for, in that order; undefined where the row has none. */
  readonly values: readonly unknown[];
}

/**
 * Chooses columns by the names that the table has: its header's, its first object's keys, or "0", "1", … without a
 * header. Gives the names to be read, in the order in which `values` shall hold them.
 */
export type ChooseColumns = (columns: readonly string[]) => readonly string[];

/** A longer row is no row: of a CSV most likely a quotation mark is never closed. */
export const longestRow = 2 ** 20;
