/** Rows of a CSV, TSV or JSONL file, one at a time: a table of a million rows is never in memory as a whole. */
import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { TextDecoder } from 'node:util';
import { GraftError, messageOf, unreadable } from '../errors.js';

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

export interface TableOptions {
  /** Whether the first row of a CSV or TSV file holds names. */
  readonly header?: boolean | undefined;
}

/** A longer row is no row: most likely a quotation mark is never closed. */
const longestRow = 2 ** 20;

/** @throws GraftError FILE_NOT_FOUND, FILE_UNREADABLE or INVALID_DATASET naming the file and the row. */
export async function* readTableRows(
  file: string,
  choose: ChooseColumns,
  { header = true }: TableOptions = {},
): AsyncGenerator<TableRow> {
  if (/\.(jsonl|ndjson)$/i.test(file)) yield* jsonRows(file, choose);
  else yield* delimitedRows(file, choose, header);
}

async function* delimitedRows(
  file: string,
  choose: ChooseColumns,
  header: boolean,
): AsyncGenerator<TableRow> {
  const { parse } = await import('csv-parse');
  const pieces = readText(file);
  const first = await pieces.next();
  const start = first.done ? '' : first.value;
  const parser = parse({
    delimiter: /\.(tsv|tab)$/i.test(file) ? '\t' : delimiterOf(start),
    bom: true,
    skip_empty_lines: true,
    max_record_size: longestRow,
    relax_quotes: false,
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

/** Of a .csv: spreadsheets write semicolons where a comma is the decimal mark, and some programs tabs. */
function delimiterOf(start: string): string {
  const firstRow = /^[\r\n]*([^\r\n]*)/.exec(start)![1]!.replace(/"[^"]*"/g, '');
  return [',', ';', '\t'].find((delimiter) => firstRow.includes(delimiter)) ?? ',';
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
  if (/Quote Not Closed/i.test(message)) return `${message.replace(/^Quote Not Closed: /, '')}`;
  return message.replace(/^Invalid Record Length: columns length is/, 'the number of columns should be');
}

async function* jsonRows(file: string, choose: ChooseColumns): AsyncGenerator<TableRow> {
  let columns: readonly string[] | undefined;
  let row = 0;
  for await (const text of readLines(file)) {
    if (text.trim() === '') continue;
    row++;
    let fields: unknown;
    try {
      fields = JSON.parse(text);
    } catch (error) {
      throw new GraftError('INVALID_DATASET', `Row ${row} of ${file} is not JSON: ${messageOf(error)}.`);
    }
    if (!isRecord(fields)) {
      throw new GraftError('INVALID_DATASET', `Expected an object as row ${row} of ${file}.`);
    }
    columns ??= choose(Object.keys(fields));
    const values: unknown[] = [];
    for (const name of columns)
      values.push(Object.hasOwn(fields, name) ? (fields[name] ?? undefined) : undefined);
    yield { row, values };
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

async function* readLines(file: string): AsyncGenerator<string> {
  let rest = '';
  let line = 0;
  for await (const text of readText(file)) {
    const lines = (rest + text).split('\n');
    rest = lines.pop()!;
    for (const whole of lines) {
      line++;
      yield whole;
    }
    if (rest.length > longestRow)
      throw damaged(file, `line ${line + 1} is longer than ${longestRow} characters`);
  }
  if (rest !== '') yield rest;
}

/** The file's text in pieces, without its byte order mark: UTF-8, or UTF-16 where the mark says so. */
async function* readText(file: string): AsyncGenerator<string> {
  let decoder: TextDecoder | undefined;
  let done = 0;
  try {
    for await (const chunk of createReadStream(file, { highWaterMark: 2 ** 18 }) as AsyncIterable<Buffer>) {
      decoder ??= new TextDecoder(encodingOf(chunk), { fatal: true });
      yield decoder.decode(chunk, { stream: true });
      done += chunk.length;
    }
    yield decoder?.decode() ?? '';
  } catch (error) {
    if (error instanceof TypeError) {
      throw damaged(
        file,
        `it is not ${decoder?.encoding.toUpperCase()} text after byte ${done}; save it as UTF-8`,
        error,
      );
    }
    throw unreadable(file, error);
  }
}

function encodingOf(start: Uint8Array): string {
  if (start[0] === 0xff && start[1] === 0xfe) return 'utf-16le';
  if (start[0] === 0xfe && start[1] === 0xff) return 'utf-16be';
  return 'utf-8';
}

function damaged(file: string, reason: string, cause?: unknown): GraftError {
  return new GraftError(
    'INVALID_DATASET',
    `The table ${file} cannot be read: ${reason.replace(/\.$/, '')}.`,
    {
      cause,
    },
  );
}
