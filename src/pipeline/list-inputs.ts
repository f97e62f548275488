/** What `graft predict` was given: images, texts, files of texts, folders of either, tables, lines. */
import { stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { holdsInputs, readTableInputs, type TableInput } from '../dataset/table-inputs.js';
import { GraftError, unreadable } from '../errors.js';
import { isImagePath } from '../image/image-extensions.js';
import { type Logger, silentLogger } from '../logger.js';
import { listFiles } from '../sources/list-files.js';
import type { PredictOptions } from './predict-inputs.js';

/** Its error says why there is nothing to read: a missing file, a folder without examples, an empty row. */
export type ListedInput = TableInput;

type ListOptions = Pick<
  PredictOptions,
  'inputs' | 'readLines' | 'imageColumn' | 'imageRoot' | 'textColumn' | 'header'
>;

/**
 * For images every input is a path. For texts it is one where a file or folder of that name is there, or where it looks
 * like a path; everything else is a text. Lines are paths of images, or texts; a table stands for its rows. What is
 * missing has its error: FILE_NOT_FOUND, FILE_UNREADABLE, or INVALID_DATASET for a folder without examples.
 * @throws GraftError USAGE for columns where there is no table, or of examples that the model does not take
 */
export async function listInputs(
  options: ListOptions,
  kind: 'pixels' | 'tokens',
  logger: Logger = silentLogger,
): Promise<ListedInput[]> {
  const { inputs, readLines } = options;
  refuseColumns(options, kind);
  const listed: ListedInput[] = [];
  const add = async (path: string): Promise<void> => {
    const before = listed.length;
    try {
      if (holdsInputs(path))
        for await (const row of readTableInputs(
          path,
          kind === 'pixels' ? 'images' : 'texts',
          options,
          logger,
        ))
          listed.push(row);
      else for (const file of await fromPath(path, kind)) listed.push(file);
      if (listed.length === before)
        throw new GraftError('INVALID_DATASET', `There is no row in the table ${path}.`);
    } catch (error) {
      // Of a table that is damaged nothing is labelled: its rows would be taken for all there are.
      listed.length = before;
      listed.push({ path, error: unreadable(path, error) });
    }
  };
  for (const input of inputs) {
    if (input === '-' && readLines) {
      for (const line of await readLines()) {
        if (kind === 'tokens') listed.push(textInput(line));
        else await add(line);
      }
    } else if (kind === 'tokens' && !(await isPath(input))) listed.push(textInput(input));
    else await add(input);
  }
  return listed;
}

/** Columns are for tables, and for what the model takes. */
function refuseColumns(
  { inputs, imageColumn, imageRoot, textColumn, header }: ListOptions,
  kind: 'pixels' | 'tokens',
): void {
  const given = {
    'image-column': imageColumn,
    'image-root': imageRoot,
    'text-column': textColumn,
    'no-header': header === false || undefined,
  };
  const flag = Object.entries(given).find(([, value]) => value !== undefined)?.[0];
  if (flag !== undefined && !inputs.some(holdsInputs))
    throw new GraftError(
      'USAGE',
      `--${flag} is for tables (.csv, .tsv, .jsonl, .parquet), but no input is one; leave it away.`,
    );
  const [strange, takes] = kind === 'pixels' ? [textColumn, 'image'] : [imageColumn ?? imageRoot, 'text'];
  if (strange !== undefined)
    throw new GraftError('USAGE', `The model takes ${takes}s; name their column with --${takes}-column.`);
}

function textInput(text: string): ListedInput {
  return { path: text, source: { kind: 'text', text } };
}

/** A text of one word that ends as a file of texts does was meant to be one: that it is missing must be said. */
async function isPath(input: string): Promise<boolean> {
  if (/^\S+\.(txt|csv|tsv|jsonl|parquet)$/i.test(input)) return true;
  return stat(input).then(
    () => true,
    () => false,
  );
}

/** An image's, as in a table. */
function fromAddress(address: string): ListedInput {
  if (/^file:/i.test(address)) return { path: fileURLToPath(address) };
  if (!/^https?:\/\/[^/?#]*@/i.test(address)) return { path: address, source: { kind: 'url', url: address } };
  throw new GraftError(
    'INVALID_DATASET',
    'An address with a user name or password is not asked for; fetch the image and name its path.',
  );
}

async function fromPath(input: string, kind: 'pixels' | 'tokens'): Promise<ListedInput[]> {
  if (kind === 'pixels' && /^(https?|file):\/\//i.test(input)) return [fromAddress(input)];
  const info = await stat(input);
  if (!info.isDirectory()) return [{ path: input }];
  const found: ListedInput[] = [];
  for await (const file of listFiles(input)) {
    const isWanted = kind === 'pixels' ? isImagePath(file) : /\.txt$/i.test(file);
    if (isWanted) found.push({ path: file });
  }
  if (found.length > 0) return found;
  const what = kind === 'pixels' ? 'image' : '.txt file';
  throw new GraftError('INVALID_DATASET', `There is no ${what} in the folder ${input}.`);
}
