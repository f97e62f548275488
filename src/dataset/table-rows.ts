/** Rows of a CSV, TSV or JSONL file, one at a time: a table of a million rows is never in memory as a whole. */
import { Readable } from 'node:stream';
import { GraftError, messageOf } from '../errors.js';
import type { Logger } from '../logger.js';
import { isRecord, jsonRows, oneDocument } from './json-rows.js';
import { damaged, readText } from './read-text.js';
import { type ChooseColumns, longestRow, type TableRow } from './table-row.js';

export interface TableOptions {
  /** Whether the first row of a CSV or TSV file holds names. */
  readonly header?: boolean | undefined;
  /** Told where the quotation marks of a TSV file are part of its texts. */
  readonly logger?: Logger | undefined;
}

/** That tell the delimiter. */
const sampledRows = 50;

/** Whether its rows are objects, of which each may have other keys; `choose` is told those of the first. */
export function holdsObjects(file: string): boolean {
  return /\.(jsonl|ndjson|json)$/i.test(file);
}

/** @throws GraftError FILE_NOT_FOUND, FILE_UNREADABLE or INVALID_DATASET naming the file and the row. */
export function readTableRows(
  file: string,
  choose: ChooseColumns,
  { header = true, logger }: TableOptions = {},
): AsyncGenerator<TableRow> {
  // Each generator that only hands on what another yields costs a million rows a second.
  if (holdsObjects(file)) return jsonRows(file, choose);
  if (!/\.(tsv|tab)$/i.test(file)) return delimitedRows(file, choose, { header, isQuoted: true });
  return tabRows(file, choose, { header, logger });
}

async function* tabRows(
  file: string,
  choose: ChooseColumns,
  { header, logger }: { readonly header: boolean; readonly logger: Logger | undefined },
): AsyncGenerator<TableRow> {
  // Whether quotation marks enclose fields is known at the end only, and rows that were given cannot be taken back.
  const isQuoted = await enclosesFields(file);
  if (!isQuoted) logger?.warn(`Quotation marks in ${file} do not enclose fields: they are read as text.`);
  yield* delimitedRows(file, choose, { header, isQuoted, delimiter: '\t' });
}

/** Of a TSV file: some programs enclose fields in quotation marks, others write them as any other character. */
async function enclosesFields(file: string): Promise<boolean> {
  let hasMarks = false;
  for await (const text of readText(file)) hasMarks ||= text.includes('"');
  if (!hasMarks) return true;
  try {
    const rows = delimitedRows(file, () => [], { header: false, isQuoted: true, delimiter: '\t' });
    for await (const row of rows) void row;
    return true;
  } catch {
    return false;
  }
}

interface Dialect {
  readonly header: boolean;
  readonly isQuoted: boolean;
  /** Default: what the first row holds. */
  readonly delimiter?: string;
}

async function* delimitedRows(
  file: string,
  choose: ChooseColumns,
  { header, isQuoted, delimiter }: Dialect,
): AsyncGenerator<TableRow> {
  const { parse } = await import('csv-parse');
  const pieces = readText(file);
  const first = await pieces.next();
  const begun = first.done ? '' : first.value;
  refuseJson(begun, file);
  // Some programs tell Excel the delimiter in a line of its own.
  const said = /^"?sep=(.)"?\r?\n/i.exec(begun);
  const start = said ? begun.slice(said[0].length) : begun;
  const parser = parse({
    delimiter: delimiter ?? said?.[1] ?? delimiterOf(start),
    bom: true,
    skip_empty_lines: true,
    max_record_size: longestRow,
    relax_quotes: false,
    quote: isQuoted ? '"' : false,
    // All are errors still, but for a line of blanks, which is an empty one.
    skip_records_with_error: true,
  });
  parser.on('skip', (error: Error & { readonly record?: readonly string[] }) => {
    if (!isBlank(error.record)) parser.destroy(error);
  });
  const text = Readable.from(from(start, pieces));
  text.on('error', (error) => parser.destroy(error));
  text.pipe(parser);
  let places: number[] | undefined;
  let row = 0;
  try {
    for await (const record of parser as AsyncIterable<string[]>) {
      row++;
      if (!places) {
        const names = header ? record.map((name) => name.trim()) : record.map((_, i) => String(i));
        places = choose(names).map((name) => names.indexOf(name));
        if (header) continue;
      }
      yield { row, values: places.map((place) => record[place]) };
    }
  } catch (error) {
    if (error instanceof GraftError) throw error;
    throw damaged(file, tidy(messageOf(error)), error);
  } finally {
    text.destroy();
    parser.destroy();
  }
}

function isBlank(record: readonly string[] | undefined): boolean {
  return record?.length === 1 && record[0]!.trim() === '';
}

/** Of a .csv: spreadsheets write semicolons where a comma is the decimal mark, and some programs tabs or bars. */
function delimiterOf(start: string): string {
  // What is enclosed may hold any. Where all is, tabs are what is left of a row.
  const rows = start
    .replace(/"[^"]*("|$)/g, '')
    .split(/[\r\n]+/)
    .filter((row) => /[^ ]/.test(row));
  const isCut = rows.length > 1 && !/[\r\n]$/.test(start);
  const whole = rows.slice(0, isCut ? -1 : undefined).slice(0, sampledRows);
  const countIn = (row: string, delimiter: string): number => row.split(delimiter).length;
  const there = [',', ';', '\t', '|'].filter((delimiter) => rows[0]?.includes(delimiter));
  // Of several, a text has one now and then, and a delimiter is in all rows alike.
  const even = there.find((delimiter) =>
    whole.every((row) => countIn(row, delimiter) === countIn(rows[0]!, delimiter)),
  );
  return even ?? there[0] ?? ',';
}

async function* from<T>(first: T, rest: AsyncIterable<T>): AsyncGenerator<T> {
  yield first;
  yield* rest;
}

/** The parser's messages name its options; what a reader needs is the kind of mistake and the line. */
function tidy(message: string): string {
  if (/max record size|Max Record Size/i.test(message)) {
    return `a row is longer than ${longestRow} characters; a quotation mark may be left open`;
  }
  const width = /^Invalid Record Length: .*?(\d+), got (\d+) on line (\d+)/.exec(message);
  if (width) {
    return (
      `line ${width[3]} should have ${width[1]} fields but has ${width[2]}; ` +
      'a field with the delimiter or a line break in it belongs between quotation marks'
    );
  }
  const quote = /^(?:Invalid (?:Opening|Closing) Quote|Quote Not Closed).* line (\d+)/.exec(message);
  if (!quote) return message;
  return (
    `a quotation mark in the record at line ${quote[1]} opens or ends within a field, or is never closed; ` +
    'double it ("") and put the whole field between quotation marks'
  );
}

/** Its quotation marks would be what the parser of tables complains of. */
function refuseJson(start: string, file: string): void {
  const firstRow = /^\s*([^\r\n]*)/.exec(start)![1]!.trim();
  try {
    if (isRecord(JSON.parse(firstRow)))
      throw damaged(file, 'it holds JSON, one object a line; call it .jsonl');
  } catch (error) {
    if (error instanceof GraftError) throw error;
    // No object; what begins like one goes on in the next line.
  }
  if (/^\s*\[\s*\{/.test(start)) throw damaged(file, 'it holds a list of JSON objects; call it .json');
  if (/^\s*\{\s*"/.test(start)) throw oneDocument(file);
}
