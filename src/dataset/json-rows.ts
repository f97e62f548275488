/** Rows of a table in JSON: an object a line, one at a time, or one list of objects, which is in memory as a whole. */
import { GraftError, messageOf } from '../errors.js';
import { showJson } from '../shorten-text.js';
import { damaged, readText } from './read-text.js';
import { type ChooseColumns, longestRow, type TableRow } from './table-row.js';

/** Characters of a list. A larger one would take gigabytes of memory. */
const longestList = 2 ** 27;

/** Each of millions of lists in one another would take some fifty bytes. */
const deepest = 1000;
const [quote, backslash, bracket, brace] = [0x22, 0x5c, 0x5b, 0x7b];

/** @throws GraftError INVALID_DATASET naming the file and the row. */
export async function* jsonRows(file: string, choose: ChooseColumns): AsyncGenerator<TableRow> {
  let columns: readonly string[] | undefined;
  let row = 0;
  for await (const fields of readObjects(file)) {
    row++;
    if (!isRecord(fields)) {
      throw new GraftError(
        'INVALID_DATASET',
        `Expected an object as row ${row} of ${file}, {"text": …, "label": …}, but it is ${showJson(fields, 60)}.`,
      );
    }
    columns ??= choose(Object.keys(fields));
    const values: unknown[] = [];
    for (const name of columns)
      values.push(Object.hasOwn(fields, name) ? (fields[name] ?? undefined) : undefined);
    yield { row, values };
  }
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function oneDocument(file: string): GraftError {
  return damaged(
    file,
    'it is one JSON document; write a list of objects, [{…}, {…}], or one object a line, as .jsonl files have them',
  );
}

/** What begins with a bracket is a list. */
async function* readObjects(file: string): AsyncGenerator<unknown> {
  const pieces = readText(file);
  let start = await pieces.next();
  while (!start.done && start.value.trim() === '') start = await pieces.next();
  if (start.done) return;
  const text = resume(start.value, pieces);
  yield* start.value.trimStart().startsWith('[') ? objectsOfList(text, file) : objectsOfLines(text, file);
}

async function* resume(first: string, rest: AsyncIterable<string>): AsyncGenerator<string> {
  yield first;
  yield* rest;
}

async function* objectsOfList(pieces: AsyncIterable<string>, file: string): AsyncGenerator<unknown> {
  let text = '';
  const depthAfter = depthMeter();
  for await (const piece of pieces) {
    text += piece;
    if (depthAfter(piece) > deepest)
      throw damaged(file, `it holds lists or objects in one another, more than ${deepest} deep`);
    if (text.length > longestList) {
      throw damaged(
        file,
        `it is one JSON list of more than ${longestList} characters; write one object a line, as .jsonl files have them`,
      );
    }
  }
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch (error) {
    throw damaged(file, `it is not JSON: ${messageOf(error)}${hintOf(text)}`, error);
  }
  yield* list as unknown[];
}

/** The greatest depth of a text that comes in pieces, so far: brackets that were open at a time, those in strings not counted. */
function depthMeter(): (piece: string) => number {
  let [depth, most] = [0, 0];
  let [isString, isEscaped] = [false, false];
  return (piece) => {
    for (let i = 0; i < piece.length; i++) {
      const code = piece.charCodeAt(i);
      if (isEscaped) isEscaped = false;
      else if (isString && code === backslash) isEscaped = true;
      else if (code === quote) isString = !isString;
      else if (isString) continue;
      else if (code === bracket || code === brace) most = Math.max(most, ++depth);
      else if (code === bracket + 2 || code === brace + 2) depth--;
    }
    return most;
  };
}

async function* objectsOfLines(pieces: AsyncIterable<string>, file: string): AsyncGenerator<unknown> {
  let row = 0;
  for await (const text of readLines(pieces, file)) {
    if (text.trim() === '') continue;
    row++;
    let fields: unknown;
    try {
      fields = JSON.parse(text);
    } catch (error) {
      if (row === 1 && /^\s*\{\s*$/.test(text)) throw oneDocument(file);
      const isOther = row === 1 && !/^\s*[[{]/.test(text);
      throw new GraftError(
        'INVALID_DATASET',
        `Row ${row} of ${file} is not JSON: ${messageOf(error)}${isOther ? '; a table with commas is to be called .csv, one with tabs .tsv' : hintOf(text)}.`,
      );
    }
    yield fields;
  }
}

/** Python writes numbers that JSON does not have. */
function hintOf(text: string): string {
  const word = /[:,[]\s*(NaN|-?Infinity)\s*[,}\]]/.exec(text)?.[1];
  return word === undefined ? '' : `; JSON has no ${word}, write null`;
}

async function* readLines(pieces: AsyncIterable<string>, file: string): AsyncGenerator<string> {
  let rest = '';
  let line = 0;
  for await (const text of pieces) {
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
