/** What `graft predict` was given: images, texts, files of texts, folders of either, tables, archives, lines. */
import { stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { ExampleKind } from '../dataset/dataset.js';
import { filesOfInput, namesInputs, readInputs } from '../dataset/read-inputs.js';
import { isCompressed } from '../dataset/shard-files.js';
import { type TableInput, textInput } from '../dataset/table-inputs.js';
import { GraftError, unreadable } from '../errors.js';
import { isImagePath } from '../image/image-extensions.js';
import { type Logger, silentLogger } from '../logger.js';
import { shortenText } from '../shorten-text.js';
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
 * like a path; everything else is a text. Lines are paths of images, or texts; a table stands for its rows, an archive for
 * its images, and a folder without images or texts, or a list in braces, for the tables or archives in it. Pairs of texts are two inputs one after the other, lines with a tab between, or rows of a table. What is
 * missing has its error: FILE_NOT_FOUND, FILE_UNREADABLE, or INVALID_DATASET for a folder without examples.
 * @throws GraftError USAGE for columns where there is no table, or of examples that the model does not take, or half a pair
 */
export async function listInputs(
  options: ListOptions,
  kind: ExampleKind,
  logger: Logger = silentLogger,
): Promise<ListedInput[]> {
  const { inputs, readLines } = options;
  refuseOtherColumns(options, kind);
  const listed: ListedInput[] = [];
  let holdsColumns = false;
  const add = async (path: string): Promise<void> => {
    const before = listed.length;
    try {
      const alone = await fromPath(path, kind);
      for (const file of alone ?? []) listed.push(file);
      if (alone) return;
      holdsColumns = true;
      const files = await filesOfInput(path);
      if (!files) throw nothingIn(path, kind);
      for await (const row of readInputs(files, kind, options, logger)) listed.push(row);
    } catch (error) {
      // Of a table that is damaged nothing is labelled: its rows would be taken for all there are.
      listed.length = before;
      listed.push({ path, error: unreadable(path, error) });
    }
  };
  /** Of a pair. */
  let first: string | undefined;
  for (const input of inputs) {
    const isLines = input === '-' && readLines !== undefined;
    const isOther = isLines || kind === 'images' || (await isPath(input));
    if (isOther && first !== undefined) throw withoutSecond(first);
    if (isLines) {
      for (const line of await readLines()) {
        if (kind === 'images') await add(line);
        else listed.push(kind === 'texts' ? textInput([line]) : pairOfLine(line));
      }
    } else if (isOther) await add(input);
    else if (kind === 'texts') listed.push(textInput([input]));
    else if (first === undefined) first = input;
    else {
      listed.push(textInput([first, input]));
      first = undefined;
    }
  }
  if (first !== undefined) throw withoutSecond(first);
  if (!holdsColumns) refuseColumns(options);
  return listed;
}

function withoutSecond(first: string): GraftError {
  return new GraftError(
    'USAGE',
    `The model takes pairs of texts, but ${JSON.stringify(shortenText(first, 60))} has no second one behind it; give the two texts of each pair one after the other, or a table of pairs.`,
  );
}

/** Two texts with a tab between, or a JSON list of them. */
function pairOfLine(line: string): ListedInput {
  const texts = textsOfJson(line) ?? line.split('\t');
  if (texts.length === 2) return textInput(texts);
  const error = new GraftError(
    'INVALID_TEXT',
    `Expected two texts with a tab between, or ["first","second"], in the line but found ${texts.length === 1 ? 'one text' : `${texts.length} texts`}.`,
  );
  return { path: line, error };
}

function textsOfJson(line: string): readonly string[] | undefined {
  if (!line.trimStart().startsWith('[')) return undefined;
  try {
    const parsed: unknown = JSON.parse(line);
    const isTexts = Array.isArray(parsed) && parsed.every((text) => typeof text === 'string');
    return isTexts ? parsed : undefined;
  } catch {
    // A text may begin with a bracket.
    return undefined;
  }
}

/** Columns are for tables; of images in an archive one is their extension. */
function refuseColumns({ imageColumn, imageRoot, textColumn, header }: ListOptions): void {
  const given = {
    'image-column': imageColumn,
    'image-root': imageRoot,
    'text-column': textColumn,
    'no-header': header === false || undefined,
  };
  const flag = Object.entries(given).find(([, value]) => value !== undefined)?.[0];
  if (flag === undefined) return;
  throw new GraftError(
    'USAGE',
    `--${flag} is for tables (.csv, .tsv, .jsonl, .json, .parquet), but no input is one; leave it away.`,
  );
}

/** Columns are of what the model takes. */
function refuseOtherColumns({ imageColumn, imageRoot, textColumn }: ListOptions, kind: ExampleKind): void {
  const [strange, takes] = kind === 'images' ? [textColumn, 'image'] : [imageColumn ?? imageRoot, 'text'];
  if (strange === undefined) return;
  throw new GraftError('USAGE', `The model takes ${takes}s; name their column with --${takes}-column.`);
}

/** A text of one word that ends as a file of texts does was meant to be one: that it is missing must be said. */
async function isPath(input: string): Promise<boolean> {
  if (/^\S+$/.test(input) && (/\.txt$/i.test(input) || namesInputs(input))) return true;
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

/** An image or a text that lies there, or all of a folder; undefined where there may be other files that hold some. */
async function fromPath(input: string, kind: ExampleKind): Promise<ListedInput[] | undefined> {
  if (kind === 'images' && /^(https?|file):\/\//i.test(input)) return [fromAddress(input)];
  const isFolder = await stat(input).then(
    (info) => info.isDirectory(),
    (error: unknown) => {
      // A list in braces is no file, and what is missing of another one is said where it is read.
      if (!namesInputs(input)) throw error;
      return false;
    },
  );
  if (!isFolder && namesInputs(input)) return undefined;
  if (!isFolder && isCompressed(input))
    throw new GraftError('INVALID_DATASET', `${input} is compressed; unpack it first.`);
  if (!isFolder && kind === 'pairs') throw holdsNoPairs(input, 'file');
  if (!isFolder) return [{ path: input }];
  if (kind === 'pairs') return undefined;
  const found: ListedInput[] = [];
  for await (const file of listFiles(input)) {
    const isWanted = kind === 'images' ? isImagePath(file) : /\.txt$/i.test(file);
    if (isWanted) found.push({ path: file });
  }
  return found.length > 0 ? found : undefined;
}

function holdsNoPairs(input: string, what: string): GraftError {
  return new GraftError(
    'INVALID_TEXT',
    `The model takes pairs of texts, and ${input} is a ${what}: give the pairs in a table, or line by line with -.`,
  );
}

/** Of a folder. */
function nothingIn(input: string, kind: ExampleKind): GraftError {
  if (kind === 'pairs') return holdsNoPairs(input, 'folder');
  const [what, where] =
    kind === 'images' ? ['image', 'table, archive or Parquet file'] : ['.txt file', 'table or Parquet file'];
  return new GraftError('INVALID_DATASET', `There is no ${what} in the folder ${input}, nor any ${where}.`);
}
