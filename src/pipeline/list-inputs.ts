/** What `graft predict` was given: images, texts, files of texts, folders of either, lines. */
import { stat } from 'node:fs/promises';
import { GraftError, unreadable } from '../errors.js';
import { isImagePath } from '../image/image-extensions.js';
import { listFiles } from '../sources/list-files.js';
import type { Located } from '../sources/source.js';
import type { PredictOptions } from './predict-inputs.js';

export interface ListedInput extends Located {
  /** Why there is nothing to read: a missing file, a folder without examples. */
  readonly error?: GraftError;
}

/**
 * For images every input is a path. For texts it is one where a file or folder of that name is there, or where it looks
 * like a path; everything else is a text. Lines are paths of images, or texts. What is missing has its error: FILE_NOT_FOUND,
 * FILE_UNREADABLE, or INVALID_DATASET for a folder without examples and for a table.
 */
export async function listInputs(
  { inputs, readLines }: Pick<PredictOptions, 'inputs' | 'readLines'>,
  kind: 'pixels' | 'tokens',
): Promise<ListedInput[]> {
  const listed: ListedInput[] = [];
  for (const input of inputs) {
    if (input === '-' && readLines) {
      for (const line of await readLines()) {
        if (kind === 'tokens') listed.push(textInput(line));
        else listed.push(...(await fromPath(line, kind).catch((error: unknown) => missing(line, error))));
      }
    } else if (kind === 'tokens' && !(await isPath(input))) listed.push(textInput(input));
    else listed.push(...(await fromPath(input, kind).catch((error: unknown) => missing(input, error))));
  }
  return listed;
}

function missing(path: string, error: unknown): ListedInput[] {
  return [{ path, error: unreadable(path, error) }];
}

function textInput(text: string): ListedInput {
  return { path: text, source: { kind: 'text', text } };
}

/** A text of one word that ends in .txt was meant to be a file: that it is missing must be said. */
async function isPath(input: string): Promise<boolean> {
  if (/^\S+\.txt$/i.test(input)) return true;
  return stat(input).then(
    () => true,
    () => false,
  );
}

function isTable(file: string): GraftError {
  return new GraftError(
    'INVALID_DATASET',
    `${file} is a table, and graft predict reads no rows: give what is in them as lines to -, or measure on its labels with graft eval.`,
  );
}

async function fromPath(input: string, kind: 'pixels' | 'tokens'): Promise<ListedInput[]> {
  const info = await stat(input);
  if (!info.isDirectory()) {
    // For a model of texts it would be one long text.
    if (/\.(csv|tsv|tab|jsonl|ndjson|parquet)$/i.test(input)) throw isTable(input);
    return [{ path: input }];
  }
  const found: ListedInput[] = [];
  for await (const file of listFiles(input)) {
    const isWanted = kind === 'pixels' ? isImagePath(file) : /\.txt$/i.test(file);
    if (isWanted) found.push({ path: file });
  }
  if (found.length > 0) return found;
  const what = kind === 'pixels' ? 'image' : '.txt file';
  throw new GraftError('INVALID_DATASET', `There is no ${what} in the folder ${input}.`);
}
